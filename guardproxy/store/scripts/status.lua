-- What a status webhook says of a send, once per state: kept with its reply, and it settles a send
-- whose outcome was open.
-- KEYS[1] seen mark, KEYS[2] open sends, KEYS[3] mark of WhatsApp's id of sends with a tag of theirs
-- ARGV[1] the shard's tag, ARGV[2] seconds to know it, ARGV[3] the state, ARGV[4] what came back of
-- `biz_opaque_callback_data`, ARGV[5] WhatsApp's id, ARGV[6] the business, ARGV[7] the person or "",
-- ARGV[8] seconds since 1970 of the status, ARGV[9] seconds its clock may be off
-- returns duplicate | kept | settled | undelivered
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[2]) then return 'duplicate' end
local state, tag = ARGV[3], ARGV[4]
if tag == '' then return 'kept' end
local turn, part = string.match(tag, '^(.+)%.(%d+)$')
local reply = ARGV[1] .. ':reply:' .. (turn or tag)
if redis.call('EXISTS', reply) == 1 then
  redis.call('HSET', reply, 'status' .. (part or '0'), state)
end

local function of(id) return ARGV[1] .. ':send:' .. id end
local id = redis.call('ZSCORE', KEYS[2], tag) and tag
if not id and ARGV[7] ~= '' and redis.call('EXISTS', KEYS[3]) == 0 then
  -- the tag is the agent's own, and may stand for many sends: the oldest one to this person that
  -- was made before the status, if this id is not known to be another's
  local oldest
  for _, one in ipairs(redis.call('ZRANGE', KEYS[2], 0, 499)) do
    local send = redis.call('HMGET', of(one), 'business', 'person', 'theirs', 'at')
    local at = tonumber(send[4] or '0')
    if send[1] == ARGV[6] and send[2] == ARGV[7] and send[3] == tag
      and at <= tonumber(ARGV[8]) + tonumber(ARGV[9]) and (not oldest or at < oldest) then
      id, oldest = one, at
    end
  end
  if id then redis.call('SET', KEYS[3], '1', 'EX', ARGV[2]) end
end
if not id then return 'kept' end
if state == 'failed' then
  local t = redis.call('TIME')
  redis.call('HSET', of(id), 'unknown', '1', 'why', 'failed')
  redis.call('ZADD', KEYS[2], t[1], id)
  return 'undelivered'
end
local unknown = redis.call('HGET', of(id), 'unknown') == '1'
redis.call('ZREM', KEYS[2], id)
redis.call('DEL', of(id))
return unknown and 'settled' or 'kept'
