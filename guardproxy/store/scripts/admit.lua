-- Lets a turn in, or says why not, and recalls its conversation: one round trip.
-- All limits or none: a turn that one limit refuses is counted by none. Windows are exact: a
-- sorted set of the turns of the last `seconds`. The same turn asking twice counts once.
-- KEYS[1] conversation, KEYS[2] history, KEYS[3] opted-out mark, KEYS[4] decision record,
-- KEYS[5..] one window per limit (amounts of token limits in KEYS[n] .. ":n")
-- ARGV[1] the ticket as JSON: turn, exempt, counted, tokens, drift_window, now,
--         limits = [{max, seconds, tokens, shadow}]
-- returns JSON: state = {field: value}, history = [json], duplicate, opted_out, counts = [...]
local ask = cjson.decode(ARGV[1])
local now = ask.now
if now == cjson.null then
  local t = redis.call('TIME')
  now = tonumber(t[1]) + tonumber(t[2]) / 1000000
end

local flat = redis.call('HGETALL', KEYS[1])
local state = {}
for i = 1, #flat, 2 do state[flat[i]] = flat[i + 1] end
if state.until_ and now >= tonumber(state.until_) then
  state.phase = 'bot'
  redis.call('HDEL', KEYS[1], 'until_')
  redis.call('HSET', KEYS[1], 'phase', 'bot')
end
local duplicate = redis.call('EXISTS', KEYS[4]) == 1
local opted_out = redis.call('EXISTS', KEYS[3]) == 1
local paused = state.phase == 'waiting' or state.phase == 'human'

local counts, over = {}, false
local free = ask.exempt or duplicate or paused or opted_out
if not free then
  for i, limit in ipairs(ask.limits) do
    local key = KEYS[4 + i]
    local gone = redis.call('ZRANGEBYSCORE', key, '-inf', now - limit.seconds)
    if #gone > 0 then
      redis.call('ZREMRANGEBYSCORE', key, '-inf', now - limit.seconds)
      if limit.tokens then redis.call('HDEL', key .. ':n', unpack(gone, 1, math.min(#gone, 5000))) end
    end
    local mine = redis.call('ZSCORE', key, ask.turn)
    local used, wanted, reset = 0, 1, 0
    if limit.tokens then
      wanted = ask.tokens
      for _, amount in ipairs(redis.call('HVALS', key .. ':n')) do used = used + tonumber(amount) end
    else
      used = redis.call('ZCARD', key)
      if not ask.counted then wanted = 0 end
    end
    local is_over = (not mine) and wanted > 0 and used + wanted > limit.max
    if is_over then
      local excess = used + wanted - limit.max
      for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
        local amount = 1
        if limit.tokens then amount = tonumber(redis.call('HGET', key .. ':n', member) or 0) end
        excess = excess - amount
        reset = tonumber(redis.call('ZSCORE', key, member)) + limit.seconds - now
        if excess <= 0 then break end
      end
      if reset == 0 then reset = limit.seconds end
      if not limit.shadow then over = true end
    end
    counts[i] = {used = used, over = is_over, reset_in = reset, wanted = wanted, mine = mine and true or false}
  end
  if not over then
    for i, limit in ipairs(ask.limits) do
      local key = KEYS[4 + i]
      if counts[i].wanted > 0 and not counts[i].mine then
        redis.call('ZADD', key, string.format('%.6f', now), ask.turn)
        redis.call('EXPIRE', key, math.ceil(limit.seconds) + 1)
        if limit.tokens then
          redis.call('HSET', key .. ':n', ask.turn, counts[i].wanted)
          redis.call('EXPIRE', key .. ':n', math.ceil(limit.seconds) + 1)
        end
        counts[i].used = counts[i].used + counts[i].wanted
      end
    end
  end
end
return cjson.encode({
  state = state, history = redis.call('LRANGE', KEYS[2], 0, -1),
  duplicate = duplicate, opted_out = opted_out, counts = counts,
})
