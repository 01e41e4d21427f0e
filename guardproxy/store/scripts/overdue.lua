-- Sends whose outcome should be known by now. Each is given out again later unless it is done.
-- KEYS[1] open sends
-- ARGV[1] the shard's tag, ARGV[2] seconds until it is given out again, ARGV[3] how many
-- returns {business, turn, part, number, person, address, at, why} of each
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[3])) do
  local send = redis.call('HMGET', ARGV[1] .. ':send:' .. id,
    'business', 'turn', 'part', 'number', 'person', 'address', 'at', 'why')
  if send[1] then
    redis.call('ZADD', KEYS[1], string.format('%.3f', now + tonumber(ARGV[2])), id)
    for i = 1, 8 do send[i] = send[i] or '' end
    found[#found + 1] = send
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return found
