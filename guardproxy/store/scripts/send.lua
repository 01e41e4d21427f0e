-- May a message go out to a person now? Takes its place in the pair and number limits if so.
-- KEYS[1] conversation, KEYS[2] opted-out mark, KEYS[3] no-marketing mark, KEYS[4] window,
-- KEYS[5] pair bucket, KEYS[6] rate of the number (the second is appended),
-- KEYS[7] budget of the number (the month is appended), KEYS[8] mark of a number in the phone app
-- ARGV[1] own | agent (what the proxy itself says is not held by phase, opt-out or window),
-- ARGV[2] service | template | marketing, ARGV[3] capacity of a pair, ARGV[4] seconds a refill,
-- ARGV[5] messages a second, ARGV[6] the same for a number in the phone app,
-- ARGV[7] seconds of the window, ARGV[8] month, ARGV[9] now, "" for the store's own clock
-- returns {"ok", messages of the month} or {why, seconds to wait}
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
if ARGV[9] ~= '' then now = tonumber(ARGV[9]) end
local agent, kind = ARGV[1] == 'agent', ARGV[2]
local last = tonumber(redis.call('GET', KEYS[4]) or '0')
if agent then
  local phase = redis.call('HGET', KEYS[1], 'phase') or 'bot'
  local till = tonumber(redis.call('HGET', KEYS[1], 'until_') or '0')
  if phase ~= 'bot' and (till == 0 or now < till) then return {'paused', '0'} end
  if redis.call('EXISTS', KEYS[2]) == 1 then return {'opted_out', '0'} end
  local stopped = tonumber(redis.call('GET', KEYS[3]) or '0')
  if stopped > 0 and (kind == 'marketing' or (kind == 'service' and last <= stopped)) then
    return {'opted_out', '0'}
  end
  if kind == 'service' and now - last > tonumber(ARGV[7]) then return {'window', '0'} end
end
local most, refill = tonumber(ARGV[3]), tonumber(ARGV[4])
local tat = math.max(tonumber(redis.call('GET', KEYS[5]) or '0'), now)
if tat - now > (most - 1) * refill + 0.001 then
  return {'pair', tostring(tat - now - (most - 1) * refill)}
end
local second = KEYS[6] .. ':' .. math.floor(now)
local each = tonumber(redis.call('EXISTS', KEYS[8]) == 1 and ARGV[6] or ARGV[5])
if tonumber(redis.call('GET', second) or '0') >= each then return {'number', '1'} end
redis.call('INCR', second)
redis.call('EXPIRE', second, 5)
redis.call('SET', KEYS[5], string.format('%.3f', tat + refill), 'EX', math.ceil(tat + refill - now) + 1)
local month = KEYS[7] .. ':' .. ARGV[8]
local used = tonumber(redis.call('GET', month) or '0')
if kind == 'service' then
  used = redis.call('INCR', month)
  redis.call('EXPIRE', month, 3456000)
end
return {'ok', tostring(used)}
