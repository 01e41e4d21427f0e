-- Takes a delivery that is due, for a lease's time; a worker that dies lets the lease run out.
-- KEYS[1] deliveries to be made
-- ARGV[1] the prefix of delivery keys, ARGV[2] who asks, ARGV[3] lease in seconds,
-- ARGV[4] a delivery to take whether it is due or not, "" for whichever is due first
-- returns {"taken", id, fields}, or {"busy"}, {"done"}, {"failed"} for the one that was asked for,
-- or nothing
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local wanted = {ARGV[4]}
if ARGV[4] == '' then wanted = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 8) end
for _, id in ipairs(wanted) do
  local key = ARGV[1] .. id
  local state, lease = unpack(redis.call('HMGET', key, 'state', 'lease'))
  if state == 'due' and tonumber(lease) <= now then
    local over = string.format('%.6f', now + tonumber(ARGV[3]))
    redis.call('ZADD', KEYS[1], over, id)
    redis.call('HSET', key, 'worker', ARGV[2], 'lease', over)
    redis.call('HINCRBY', key, 'tries', 1)
    return {'taken', id, redis.call('HGETALL', key)}
  end
  if ARGV[4] ~= '' then return {state == 'due' and 'busy' or state or 'failed'} end
  if state ~= 'due' then redis.call('ZREM', KEYS[1], id) end
end
return nil
