-- Finds the one name of a person who has a phone number, a business-scoped id, or both, joins two
-- names that turn out to be one person's, and notes that they wrote.
-- KEYS[1] alias of the first id, KEYS[2] alias of the second (the same twice when there is one)
-- ARGV[1] first id, ARGV[2] second id or "", ARGV[3] prefix of a person's keys up to the kind,
-- ARGV[4] the business, ARGV[5] seconds since 1970 of their message, "" for none,
-- ARGV[6] rate key, "" for a message that is no traffic of the number's, ARGV[7] alias life,
-- ARGV[8..] the names of the business's limits
-- returns the name
local function place(kind, name) return ARGV[3] .. kind .. ':' .. ARGV[4] .. ':' .. name end
local one = redis.call('GET', KEYS[1]) or ARGV[1]
local two = ARGV[2] ~= '' and (redis.call('GET', KEYS[2]) or ARGV[2]) or one
if two ~= one then
  -- what is known under the second name moves to the first, and what silences stays
  for _, kind in ipairs({'conv', 'hist', 'talk', 'win'}) do
    if redis.call('EXISTS', place(kind, two)) == 1 then
      if redis.call('EXISTS', place(kind, one)) == 0 then
        redis.call('RENAME', place(kind, two), place(kind, one))
      elseif kind == 'conv' then
        local phase = redis.call('HGET', place(kind, two), 'phase') or 'bot'
        if phase ~= 'bot' then
          redis.call('HSET', place(kind, one), 'phase', phase, 'until_',
            redis.call('HGET', place(kind, two), 'until_') or '0')
        end
      end
    end
  end
  -- who has used up a limit under one name has used it up under both
  for i = 8, #ARGV do
    for _, subject in ipairs({'p.', 'c.'}) do
      local from = place('lim', ARGV[i] .. ':' .. subject .. two)
      local to = place('lim', ARGV[i] .. ':' .. subject .. one)
      if redis.call('EXISTS', from) == 1 then
        local life = math.max(redis.call('PTTL', from), redis.call('PTTL', to))
        redis.call('ZUNIONSTORE', to, 2, to, from, 'AGGREGATE', 'MAX')
        redis.call('PEXPIRE', to, life)
        local amounts = redis.call('HGETALL', from .. ':n')
        if #amounts > 0 then
          redis.call('HSET', to .. ':n', unpack(amounts))
          redis.call('PEXPIRE', to .. ':n', life)
        end
        redis.call('DEL', from, from .. ':n')
      end
    end
  end
  for _, kind in ipairs({'out', 'nomkt'}) do
    local value = redis.call('GET', place(kind, two))
    if value then redis.call('SET', place(kind, one), value) end
  end
end
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[2], one, 'EX', ARGV[7])
  if two ~= ARGV[2] then redis.call('SET', place('alias', two), one, 'EX', ARGV[7]) end
end
if ARGV[5] ~= '' then
  local last = tonumber(redis.call('GET', place('win', one)) or '0')
  if tonumber(ARGV[5]) > last then redis.call('SET', place('win', one), ARGV[5], 'EX', 172800) end
end
if ARGV[6] ~= '' then
  local key = ARGV[6] .. ':' .. redis.call('TIME')[1]
  redis.call('INCR', key)
  redis.call('EXPIRE', key, 5)
end
return one
