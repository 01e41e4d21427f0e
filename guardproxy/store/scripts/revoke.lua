-- Takes a message out of a conversation's history, with the answer to it.
-- KEYS[1] history
-- ARGV[1] the message's id
-- returns how many lines are gone
local gone = 0
for _, line in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local said = cjson.decode(line)
  for i = 3, #said do
    if said[i] == ARGV[1] then gone = gone + redis.call('LREM', KEYS[1], 0, line) break end
  end
end
return gone
