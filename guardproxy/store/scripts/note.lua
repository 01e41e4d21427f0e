-- Adds decisions to the feed that the console shows; the oldest go.
-- KEYS[1] feed
-- ARGV[1] entries kept, then pairs: shard of the business, id of the decision
-- returns how many were added
for i = 2, #ARGV, 2 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'tag', ARGV[i], 'id', ARGV[i + 1])
end
return (#ARGV - 1) / 2
