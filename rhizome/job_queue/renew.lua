-- Renews the lease of everything this scorer holds, without counting a delivery.
-- KEYS: streams. ARGV: group, scorer, most entries
for _, stream in ipairs(KEYS) do
  local mine = redis.pcall('XPENDING', stream, ARGV[1], '-', '+', ARGV[3], ARGV[2])
  if not mine.err then
    for _, entry in ipairs(mine) do
      redis.call('XCLAIM', stream, ARGV[1], ARGV[2], 0, entry[1], 'JUSTID')
    end
  end
end
