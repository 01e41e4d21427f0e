-- Adds one line to a conversation's history: what an agent of the business said, or was told.
-- KEYS[1] history
-- ARGV[1] the line, ARGV[2] most lines, ARGV[3] seconds to keep them
-- returns 1, or 0 when the line was there already
for _, line in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if line == ARGV[1] then return 0 end
end
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[2]), -1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
