-- Takes over entries whose scorer has been silent for longer than the lease.
-- ARGV: index of the stream, scorer, lease (ms), most entries, result TTL (s), milliseconds for which what this scorer
--       has refused is left to others
-- Entries delivered once (or given back) are taken together. One that was delivered more often may be what killed its scorers, so it
-- is taken alone, and the innocent ones around it are answered without it. One whose deadline has passed expires.
-- Returns {{entry id, message, deliveries so far}, …}.
local stream = STREAMS[tonumber(ARGV[1])]
local most = tonumber(ARGV[4])
local SEEN = 16  -- looked at, at least: what is left to others hides nothing behind it
local idle = redis.pcall('XPENDING', stream, GROUP, 'IDLE', ARGV[3], '-', '+', math.max(most, SEEN))
if idle.err or #idle == 0 then return {} end
local taken, alone = {}, nil
for _, entry in ipairs(idle) do
  if entry[2] == ARGV[2] .. REFUSED_BY and entry[3] < ARGV[3] + ARGV[6] then
    -- left to others
  elseif entry[4] <= 1 then
    if #taken < most then taken[#taken + 1] = entry end
  else
    alone = alone or entry
  end
end
if #taken == 0 then taken = {alone} end  -- which may be none
local answer = {}
for _, entry in ipairs(taken) do
  local claimed = redis.call('XCLAIM', stream, GROUP, ARGV[2], ARGV[3], entry[1])
  if #claimed > 0 and claimed[1] and not is_expired(stream, entry[1], claimed[1][2], ARGV[5]) then
    answer[#answer + 1] = {entry[1], claimed[1][2][2], entry[4]}
  end
end
return answer
