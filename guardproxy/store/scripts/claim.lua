-- Takes the conversation that has waited longest, for a lease's time; its oldest message.
-- A worker that dies lets its lease run out, and the next one takes the conversation.
-- KEYS[1] due set
-- ARGV[1] the shard's tag, ARGV[2] who asks, ARGV[3] lease in seconds
-- returns {member, message}, or nothing when nothing is due
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 8)) do
  local head = redis.call('LINDEX', ARGV[1] .. ':box:' .. member, 0)
  if head then
    redis.call('ZADD', KEYS[1], string.format('%.6f', now + tonumber(ARGV[3])), member)
    redis.call('SET', ARGV[1] .. ':lease:' .. member, ARGV[2], 'PX', math.floor(tonumber(ARGV[3]) * 1000))
    return {member, head}
  end
  redis.call('ZREM', KEYS[1], member)
end
return nil
