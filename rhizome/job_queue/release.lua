-- A scorer's process is known to have ended: what it held is taken over at once, and not only after its lease.
-- ARGV: that scorer, lease (ms), most entries of each stream, lane
local held = 0
for _, stream in ipairs(STREAMS) do
  local entries = redis.pcall('XPENDING', stream, GROUP, '-', '+', ARGV[3], ARGV[1])
  for _, entry in ipairs(entries.err and {} or entries) do
    redis.call('XCLAIM', stream, GROUP, ARGV[1], 0, entry[1], 'IDLE', ARGV[2], 'JUSTID')
    held = held + 1
  end
end
local lane = tonumber(ARGV[4])
redis.call('ZREM', LISTENING[lane], ARGV[1])
if held > 0 then ring(lane) end
