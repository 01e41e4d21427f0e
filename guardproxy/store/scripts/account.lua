-- Keeps account of one send: from `intend` on its outcome is open, until one of the others.
-- KEYS[1] the turn's reply (touched only where there is one), KEYS[2] open sends by the time they
-- are overdue, KEYS[3] the send, KEYS[4] mark of WhatsApp's id
-- ARGV[1] intend | sent | refused | unknown | lost | done, ARGV[2] the send's id, ARGV[3] its part,
-- ARGV[4] intend: seconds until it is overdue; sent: WhatsApp's id; lost: why,
-- ARGV[5] seconds to keep it, ARGV[6..] intend: its fields
-- returns 1, or 0 when the send was open no more
local step, id, part = ARGV[1], ARGV[2], tonumber(ARGV[3])
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local replies = redis.call('EXISTS', KEYS[1]) == 1
if step == 'intend' then
  if replies then redis.call('HSET', KEYS[1], 'trying', part) end
  redis.call('HSET', KEYS[3], 'at', string.format('%.3f', now), unpack(ARGV, 6))
  redis.call('EXPIRE', KEYS[3], ARGV[5])
  redis.call('ZADD', KEYS[2], string.format('%.3f', now + tonumber(ARGV[4])), id)
  return 1
end
if replies and step == 'refused' then redis.call('HDEL', KEYS[1], 'trying') end
if replies and (step == 'sent' or step == 'unknown' or step == 'lost') then
  redis.call('HSET', KEYS[1], 'sent', part + 1)
end
if step == 'unknown' or step == 'lost' then
  if not redis.call('ZSCORE', KEYS[2], id) then return 0 end
  redis.call('HSET', KEYS[3], 'unknown', '1', 'why', step == 'lost' and ARGV[4] or '')
  if step == 'lost' then redis.call('ZADD', KEYS[2], string.format('%.3f', now), id) end
  return 1
end
if step == 'sent' then
  if replies then redis.call('HSET', KEYS[1], 'wamid' .. part, ARGV[4]) end
  if (redis.call('HGET', KEYS[3], 'theirs') or '') ~= '' then
    redis.call('SET', KEYS[4], '1', 'EX', ARGV[5])
  end
end
redis.call('DEL', KEYS[3])
return redis.call('ZREM', KEYS[2], id)
