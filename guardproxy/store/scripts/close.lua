-- Writes down how a turn ended, in one step. Closing the same turn twice changes nothing.
-- KEYS[1] conversation, KEYS[2] history, KEYS[3] opted-out mark, KEYS[4] decision record,
-- KEYS[5] reply, KEYS[6] the new case, KEYS[7] open cases, KEYS[8] transcript, KEYS[9] deliveries,
-- KEYS[10..] windows of token limits (of all limits when the call failed: the turn leaves them)
-- ARGV[1] the closing as JSON; ARGV[2] the decision record as JSON;
-- ARGV[3] the prefix of case keys; ARGV[4] the prefix of delivery keys
-- returns the id of the conversation's open case, or ""
local c = cjson.decode(ARGV[1])
local now = c.now
if now == cjson.null then
  local t = redis.call('TIME')
  now = tonumber(t[1]) + tonumber(t[2]) / 1000000
end
if redis.call('EXISTS', KEYS[4]) == 1 then return redis.call('HGET', KEYS[1], 'case') or '' end

for i = 10, #KEYS do
  if c.failed then
    redis.call('ZREM', KEYS[i], c.turn)
    redis.call('HDEL', KEYS[i] .. ':n', c.turn)
  elseif redis.call('HEXISTS', KEYS[i] .. ':n', c.turn) == 1 then
    redis.call('HSET', KEYS[i] .. ':n', c.turn, c.spent)
  end
end
redis.call('SET', KEYS[4], ARGV[2], 'EX', c.keep)
if c.reply then redis.call('HSET', KEYS[5], 'text', c.reply, 'sent', 0) end
if c.replies then redis.call('HSET', KEYS[5], 'sent', 0); redis.call('EXPIRE', KEYS[5], c.reply_keep) end
if c.opted_out == true then redis.call('SET', KEYS[3], '1') end
if c.opted_out == false then redis.call('DEL', KEYS[3]) end
for _, line in ipairs(c.said) do redis.call('RPUSH', KEYS[8], line) end
if #c.said > 0 then
  redis.call('LTRIM', KEYS[8], -c.spoken_most, -1)
  redis.call('EXPIRE', KEYS[8], c.history_keep)
end
if not c.remembered then
  return ''
end

local open = redis.call('HGET', KEYS[1], 'case') or ''
if open ~= '' and redis.call('HGET', ARGV[3] .. open, 'status') == 'resolved' then open = '' end
if c.case then
  if open == '' then
    open = c.case.id
    redis.call('HSET', KEYS[6], 'business', c.business, 'conversation', c.conversation,
      'person', c.person or '', 'opened', now, 'status', 'open', 'asks', 0, 'channel', c.case.channel,
      'kind', c.case.kind, 'rule', c.case.rule, 'language', c.case.language,
      'reason', c.case.reason, 'sla', c.case.sla or '', 'turn', c.turn,
      'policy', c.case.policy, 'surface', c.case.surface, 'score', c.case.score,
      'draft', c.case.draft, 'address', c.case.address)
    redis.call('ZADD', KEYS[7], now, open)
  end
  for _, errand in ipairs(c.case.errands) do
    local id = open .. ':' .. errand.channel .. ':' .. errand.what
    if redis.call('EXISTS', ARGV[4] .. id) == 0 then
      redis.call('HSET', ARGV[4] .. id, 'business', c.business, 'case', open, 'channel',
        errand.channel, 'what', errand.what, 'state', 'due', 'tries', 0, 'lease', 0,
        'until_', now + errand.patience)
      redis.call('EXPIRE', ARGV[4] .. id, c.keep)
      redis.call('ZADD', KEYS[9], now + errand.wait, id)
    end
  end
  redis.call('HINCRBY', ARGV[3] .. open, 'asks', 1)
  redis.call('HSET', ARGV[3] .. open, 'last', now, 'last_reason', c.case.reason)
  redis.call('EXPIRE', ARGV[3] .. open, c.keep)
  redis.call('HSET', KEYS[1], 'case', open)
  local phase = redis.call('HGET', KEYS[1], 'phase') or 'bot'
  if c.case.pauses and phase ~= 'human' then
    redis.call('HSET', KEYS[1], 'phase', c.asked[phase], 'until_', now + c.resume_after)
    redis.call('HSET', ARGV[3] .. open, 'channel', c.case.channel, 'kind', c.case.kind,
      'sla', c.case.sla or '')
  end
end
if open ~= '' and c.talk then redis.call('EXPIRE', KEYS[8], c.keep) end

if c.verdict ~= 'drop' and c.verdict ~= 'throttle' then
  local drift = (redis.call('HGET', KEYS[1], 'drift') or '') .. (c.off_topic and '1' or '0')
  redis.call('HSET', KEYS[1], 'drift', string.sub(drift, -64),
    'last_verdict', c.verdict, 'last_rule', c.rule or '', 'offered', c.offered,
    'language', c.language)
end
redis.call('HINCRBY', KEYS[1], 'turns', 1)
if c.disclosed then redis.call('HSET', KEYS[1], 'disclosed', '1') end
redis.call('EXPIRE', KEYS[1], c.keep)
for _, line in ipairs(c.lines) do redis.call('RPUSH', KEYS[2], line) end
redis.call('LTRIM', KEYS[2], -c.history_most, -1)
redis.call('EXPIRE', KEYS[2], c.history_keep)
return open
