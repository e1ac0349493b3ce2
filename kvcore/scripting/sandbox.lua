-- What a script finds in its Lua state: the globals of redis-server, read-only, and nothing else.
--
-- What lives here: the Lua code that builds that world. What must not: commands, replies, limits. The rules:
--
-- - A Python callable is a userdata to Lua, and leads to the whole interpreter. Each stays an upvalue of a Lua function
--   here; nothing hands one out, and nothing that can read upvalues or environments (`debug`, `getfenv`) is handed out.
-- - No Python exception may become the error of a script: the callables catch their own (`kvcore.scripting.bridge`).
--   Should one slip through, everything here that catches errors passes it on.
-- - Lua 5.1 has no read-only tables: a script sees empty tables that look the rest up in hidden ones, and the functions
--   that go past metatables (`next`, `rawset`, `table.insert` ...) know those.
-- - A function of redis-server's is written in C. Ours stand in for them: the position in an error message is the caller's.
--
-- Values cross the border flat, because each crossing costs as much as a small command: see the two halves of
-- `kvcore.scripting.convert`.

local host, settings = ...
local execute, pull, checkpoint = host.execute, host.pull, host.checkpoint
local keep_arguments, execute_rest = host.keep_arguments, host.execute_rest
local py_sha1, py_log, py_set_protocol, py_set_replication = host.sha1, host.log, host.set_protocol, host.set_replication
local py_check, py_register, keep_callers = host.check, host.register, host.keep_callers

local G = _G
local assert, error, type, tostring, tonumber, select, unpack = assert, error, type, tostring, tonumber, select, unpack
local rawnext, rawpcall, rawxpcall, rawset_, rawget_ = next, pcall, xpcall, rawset, rawget
local rawpairs, rawsetmetatable, rawgetmetatable, rawloadstring = pairs, setmetatable, getmetatable, loadstring
local gsub, find, byte, sub, dump = string.gsub, string.find, string.byte, string.sub, string.dump
local concat, floor, ceil = table.concat, math.floor, math.ceil
local getinfo, gethook, sethook, rawsetfenv = debug.getinfo, debug.gethook, debug.sethook, setfenv
local cocreate, coresume, costatus = coroutine.create, coroutine.resume, coroutine.status
local rawinsert, rawforeach, rawforeachi = table.insert, table.foreach, table.foreachi
local setfenv, rawload = setfenv, load
local gcinfo, collectgarbage, newproxy = gcinfo, collectgarbage, newproxy
local cpu_time = settings.cpu_time or os.clock
local stringlib, tablelib, mathlib, colib = string, table, math, coroutine

local INTERVAL, SHORT_INTERVAL, SIZABLE_KB = settings.interval, settings.short_interval, settings.sizable_kb
local PACE_KB, PIECE = settings.pace_kb, settings.piece
local DEPTH = settings.depth
local CHUNK = settings.chunk
local WIDE = 7800
local READONLY = "Attempt to modify a readonly table"
-- Chunks whose functions stand for functions in C.
local OURS = {
  ["=kvcore"] = true, ["=bit"] = true, ["=cjson"] = true, ["=cmsgpack"] = true, ["=struct"] = true,
  ["=support"] = true, ["=numbers"] = true, ["=pieces"] = true,
}
local null = cjson and cjson.null

-- Read-only tables

local frozen = {}

local function deny()
  error(READONLY, 2)
end

local function freeze(content)
  local face = rawsetmetatable({}, {__index = content, __newindex = deny})
  frozen[face] = content
  return face
end

-- Memory
--
-- The allocator refuses what goes beyond the ceiling. That is an error like others inside Lua, and the end of the process
-- where lupa stands on the stack: it must never be short of memory, so nothing crosses the border near the ceiling.

local SOFT_KB = settings.soft_kb
local EXHAUSTED = {err = "ERR not enough memory"}
local LOOKED_UP = {"debug", "traceback"} -- by lupa, at each call: a string that exists takes no memory

-- Errors

local function alien(value)
  return type(value) == "userdata" and value ~= null
end

local function fail(text)
  error({err = "ERR " .. text}, 0)
end

-- Runs a library function that is going to fail, and makes its message that of our caller, which stands for it.
local function fault(f, ...)
  local ok, message = rawpcall(f, ...)
  if ok then return message end
  if type(message) == "string" then
    if find(message, "^table index") or find(message, "^invalid key") then error(message, 0) end
    message = gsub(message, "'%?'", "'" .. gsub(getinfo(2, "n").name or "?", "%%", "%%%%") .. "'")
  end
  error(message, 3)
end

-- Where an error arose: the function that raised it or, where that is C or stands in for C, the one that called it.
local function handler(err)
  if alien(err) then return err end
  local level = 2
  local info = getinfo(level, "Sl")
  if info and (info.what == "C" or OURS[info.source]) then
    repeat
      level = level + 1
      info = getinfo(level, "Sl")
    until not info or not OURS[info.source]
  end
  if info and info.what == "C" and getinfo(level, "f").func == rawxpcall then
    info = nil -- no script is between the function and whoever runs scripts: it is the callback of a library
  end
  if type(err) ~= "table" then
    err = {err = "ERR " .. tostring(err)}
  end
  if info then
    err.source = info.source
    err.line = info.currentline
  end
  return err
end

local killed = false

-- Looking at the clock
--
-- The hook comes after so many instructions, and one instruction may copy or compare all there is in memory. So the
-- more of it is long strings, the fewer instructions there are to a look. What grew by more than a few bytes for each
-- instruction is taken for long strings. Some may come up between two looks: the collector, which allocating sets off,
-- then finds a proxy that nobody holds and has the hook come with the next instruction. A small heap is collected in
-- one go, so that it finds it at once; in a large one, where that would take long, looks are frequent anyway.
--
-- Most instructions of most scripts take no long strings, though. There are few enough between two looks to bear it if
-- they do, and really few for a while after it has turned out that they did, each time for longer. That is told by the
-- processor's time, which decides nothing else.

local BYTES_KB = 64 / 1024 -- that an instruction takes, other than for long strings
local AT_ONCE, GENTLE = 2000000, 4000 -- the collector's steps
local TRUSTING, LEAST = 12, 20 -- how many times as many instructions there are otherwise, and how many at least
local DISMISSED_KB = 4096
local TELLING, SLICE, WARY, WARIEST = 0.005, 0.001, 0.005, 1 -- seconds

local interval, quota = INTERVAL, INTERVAL -- instructions to the next look, and to one at the clock
local bulk, seen = 0, gcinfo() -- what long strings may take; what everything took at the last look
local sizable = false
local wary, wariness = 0, WARY -- until when looks are close, and for how long it will be the next time
local passed, unasked = 0, 0 -- instructions since the last look at a clock, and since that at the host's
local close = false -- they have been since much came up
local now, asked = 0, 0 -- the processor's time, and when the host's clock was looked at
local last -- the time of the last look; nil if what has passed since says nothing about instructions
local hook

local alarm = newproxy(true)
local armed = false

rawgetmetatable(alarm).__gc = function()
  armed = false
  if not killed then sethook(hook, "", 1) end
end

collectgarbage("setstepmul", AT_ONCE)

local function arm()
  if armed then return false end
  newproxy(alarm)
  armed = true
  return true
end

-- Sees what came up in memory since the last look; says whether that is much.
local function observe()
  local used = gcinfo()
  local grown = used - seen - interval * BYTES_KB
  seen = used
  if grown > 0 then bulk = bulk + grown end
  if bulk > used then bulk = used end
  if sizable ~= (used > SIZABLE_KB) then
    sizable = not sizable
    collectgarbage("setstepmul", sizable and GENTLE or AT_ONCE)
  end
  return grown > 1024
end

-- Works out how many instructions there are from here on to a look at a clock.
local function pace()
  local least = wary > now and 1 or LEAST
  quota = floor((wary > now and PACE_KB or TRUSTING * PACE_KB) / (bulk + 1))
  if quota > INTERVAL then quota = INTERVAL elseif quota < least then quota = least end
  interval = sizable and quota > SHORT_INTERVAL and SHORT_INTERVAL or quota
end

-- Finds out which long strings are in use, if they are most of what is to be gone through for that.
local function dismiss()
  if bulk < DISMISSED_KB or seen - bulk > SIZABLE_KB then return end
  repeat until collectgarbage("step", 0)
  arm()
  observe()
end

-- Looks at the clock, if it is time. A script that is killed has an error at each of its lines from then on, so that no
-- pcall of its own saves it.
local function look()
  if killed then return end
  passed = passed + interval
  local much = observe()
  if arm() and bulk > DISMISSED_KB then much = true end -- as much may have come up as has gone
  if much or passed >= quota then
    unasked, passed = unasked + passed, 0
    local due = true
    if much or quota < INTERVAL then
      now = cpu_time()
      if last and now - last > TELLING then
        if wary < last then wariness = wariness < WARIEST and 2 * wariness or WARIEST end
        wary = now + wariness
      end
      if much and wary < now + WARY then wary = now + WARY end
      last, due = now, now - asked > SLICE or unasked >= INTERVAL
    end
    if due then
      asked, unasked = now, 0
      if checkpoint() then
        killed = true
        sethook(hook, "l")
        return
      end
      last = cpu_time()
    end
    if much then
      close = true
    elseif close and wary <= now then
      close = false
      dismiss()
    end
    pace()
  end
  local _, _, count = gethook()
  if count ~= interval then sethook(hook, "", interval) end
end

-- Our own lines are spared.
function hook()
  look()
  if killed then
    local _, mask = gethook()
    if mask ~= "l" then sethook(hook, "l") end -- a coroutine's own
    if getinfo(2, "S").source ~= "=kvcore" then error({err = settings.killed}, 0) end
  end
end

-- Collects garbage, a little at a time. What the cycle under way has marked already may be garbage by now, too.
local function collect()
  for _ = 1, 2 do
    repeat
      local over = collectgarbage("step", 0)
      look()
    until over or killed
  end
end

local function reclaim()
  collect()
  if gcinfo() > SOFT_KB then error(EXHAUSTED, 0) end
end

local function settle(ok, ...)
  if ok then return true, ... end
  local err = ...
  if type(err) == "table" then
    local text = err.err
    if type(text) == "string" or type(text) == "number" then return false, text end
    return false, err, text
  elseif alien(err) then
    error(err, 0)
  end
  return false, err
end

local function protected(...)
  if select("#", ...) == 0 then return settle(rawpcall(true)) end
  return settle(rawpcall(...))
end

local function pass(ok, ...)
  if not ok and alien((...)) then error((...), 0) end
  return ok, ...
end

local function xprotected(...)
  if select("#", ...) < 2 then fault(rawxpcall, ...) end
  local f, h = ...
  return pass(rawxpcall(f, function(err)
    if alien(err) then return err end
    return h(err)
  end))
end

-- Functions of the base library that see through the read-only tables

local base = {
  assert = assert, error = error, gcinfo = gcinfo, ipairs = ipairs,
  rawequal = rawequal, select = select, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
  _VERSION = _VERSION, pcall = protected, xpcall = xprotected, __redis__err__handler = handler,
}

local function thawed_next(face, key)
  return rawnext(frozen[face], key)
end

function base.next(...)
  local t, key = ...
  if frozen[t] then t = frozen[t] end
  if type(t) ~= "table" or (key ~= nil and rawget_(t, key) == nil) then
    fault(rawnext, ...)
  end
  return rawnext(t, key)
end

function base.pairs(...)
  local t = ...
  if frozen[t] then return thawed_next, t, nil end
  if type(t) ~= "table" then fault(rawpairs, ...) end
  return rawnext, t, nil
end

function base.rawget(...)
  local t, key = ...
  if frozen[t] then t = frozen[t] end
  if type(t) ~= "table" or select("#", ...) < 2 then fault(rawget_, ...) end
  return rawget_(t, key)
end

function base.rawset(...)
  local t, key, value = ...
  if frozen[t] then error(READONLY, 0) end
  if type(t) ~= "table" or key == nil or key ~= key or select("#", ...) < 3 then
    return (fault(rawset_, ...))
  end
  return (rawset_(t, key, value))
end

function base.setmetatable(...)
  local t, meta = ...
  if frozen[t] then error(READONLY, 0) end
  if type(t) ~= "table" or type(meta) ~= "table" or rawgetmetatable(t) ~= nil then
    return (fault(rawsetmetatable, ...))
  end
  return (rawsetmetatable(t, meta))
end

local metas = {}

function base.getmetatable(...)
  local value = ...
  if select("#", ...) == 0 then fault(rawgetmetatable) end
  if type(value) == "string" then return metas.string end
  if frozen[value] then return metas[value] end
  return (rawgetmetatable(value))
end

-- The collector keeps its pace, which all scripts depend on; what one sets is only remembered.
local settable = {setpause = 200, setstepmul = 200}

function base.collectgarbage(...)
  local option, value = ...
  local number = value == nil and 0 or tonumber(value)
  if number and (option == nil or option == "collect") then
    collect()
    return 0
  elseif number and (option == "stop" or option == "restart") then
    return 0
  elseif number and settable[option] then
    local before = settable[option]
    settable[option] = number < 0 and -floor(-number) or floor(number)
    return before
  elseif number and option == "step" then
    local over = collectgarbage("step", 0)
    look()
    return over
  elseif option ~= "count" or not number then
    fault(collectgarbage, ...)
  end
  return collectgarbage("count")
end

-- Compiling

-- The globals that code finds. The thread itself keeps the emptied table it came with: lupa looks there, unprotected.
local world

local function parse(source, name)
  if #source <= PIECE then return rawloadstring(source, name) end
  local at = 1 - PIECE
  return rawload(function()
    look()
    at = at + PIECE
    return not killed and sub(source, at, at + PIECE - 1) or nil
  end, name)
end

local function compile(source, name)
  if byte(source, 1) == 27 then
    source = " " .. source -- compiled code is not read: behind a space it is text, and bad text
  end
  local f, message = parse(source, name)
  if not f then return nil, message end
  local code = dump(f)
  if gcinfo() + #code / 512 > SOFT_KB then reclaim() end
  return rawsetfenv(rawloadstring(keep_callers(code), name), world)
end

function base.loadstring(...)
  local source, name = ...
  local kind = type(source)
  if (kind ~= "string" and kind ~= "number") or (name ~= nil and type(name) ~= "string" and type(name) ~= "number") then
    fault(rawloadstring, ...)
  end
  source = tostring(source)
  return compile(source, name ~= nil and tostring(name) or source)
end

function base.load(...)
  local reader, name = ...
  if type(reader) ~= "function" or (name ~= nil and type(name) ~= "string" and type(name) ~= "number") then
    fault(rawload, ...)
  end
  local parts = {}
  while true do
    local ok, part = pass(rawpcall(reader))
    if not ok then return nil, part end
    if part == nil or part == "" then break end
    if type(part) ~= "string" and type(part) ~= "number" then return nil, "reader function must return a string" end
    parts[#parts + 1] = part
  end
  return compile(concat(parts), name ~= nil and tostring(name) or "=(load)")
end

-- Coroutines: each needs the hook

-- Says whether a function is written in C or stands for one that is: of those no coroutine can be made.
local function is_ours(f)
  local info = getinfo(f, "S")
  return info.what == "C" or OURS[info.source]
end

local function create(...)
  local co = (...)
  if type(co) ~= "function" then fault(cocreate, ...) end
  if is_ours(co) then fault(cocreate, rawnext) end
  co = cocreate(co)
  if killed then sethook(co, hook, "l") else sethook(co, hook, "", interval) end
  return co
end

-- Each coroutine counts for itself: where few instructions are to pass, changing over is a look.
local function back(...)
  if interval < INTERVAL then look() end
  return ...
end

local function resume(co, ...)
  if interval < INTERVAL and not killed then sethook(co, hook, "", interval) end
  return back(coresume(co, ...))
end

local function resumed(ok, ...)
  if ok then return ... end
  local err = ...
  if type(err) == "string" or type(err) == "number" then error(err, 3) end
  error(err, 0)
end

local coroutines = {}
for name, f in rawpairs(colib) do coroutines[name] = f end
coroutines.create = create

function coroutines.resume(...)
  local co = ...
  if type(co) ~= "thread" then fault(coresume, ...) end
  return pass(resume(...))
end

function coroutines.wrap(...)
  if type((...)) ~= "function" then fault(colib.wrap, ...) end
  if is_ours((...)) then fault(colib.wrap, rawnext) end
  local co = create(...)
  return function(...)
    return resumed(resume(co, ...))
  end
end

function stringlib.dump(...)
  local f = ...
  if type(f) ~= "function" then fault(dump, ...) end
  if is_ours(f) then fault(dump, rawnext) end
  return (dump(f))
end

-- Tables

local tables = {}
for name, f in rawpairs(tablelib) do tables[name] = f end

function tables.insert(...)
  local t = ...
  if frozen[t] then error(READONLY, 0) end
  if type(t) == "table" then
    local count = select("#", ...)
    if count == 2 or (count == 3 and type((select(2, ...))) == "number") then
      rawinsert(...)
      return
    end
  end
  fault(rawinsert, ...)
end

function tables.foreach(...)
  local t, f = ...
  if frozen[t] then
    for key, value in rawnext, frozen[t] do
      local result = f(key, value)
      if result ~= nil then return result end
    end
    return
  end
  if type(t) ~= "table" or type(f) ~= "function" then fault(rawforeach, ...) end
  return (rawforeach(t, f))
end

-- Numbers: the generator of redis-server, 48 bits in two halves, from its own seed

local maths = {}
for name, f in rawpairs(mathlib) do maths[name] = f end
local HALF = 2 ^ 24
local high, low = 0, 0x330E

local function seed(number)
  number = number % 2 ^ 32
  local bits = number * 2 ^ 16 + 0x330E
  high = floor(bits / HALF)
  low = bits % HALF
end

seed(0x1234ABCD)

local function draw()
  -- The multiplier 0x5DEECE66D in halves of 24 bits: 0x5DE and 0xECE66D.
  local product = low * 0xECE66D + 0xB
  local carry = floor(product / HALF)
  high = (high * 0xECE66D + low * 0x5DE + carry) % HALF
  low = product % HALF
  return floor((high * HALF + low) / 2 ^ 17)
end

function maths.random(...)
  local count = select("#", ...)
  local first, last = ...
  if count == 0 then return draw() % 2147483647 / 2147483647 end
  first, last = tonumber(first), tonumber(last)
  if not first or (count > 1 and not last) or count > 2 then
    draw()
    fault(mathlib.random, ...)
  end
  local r = draw() % 2147483647 / 2147483647
  first = first < 0 and -floor(-first) or floor(first)
  if count == 1 then
    if first < 1 then fault(mathlib.random, ...) end
    return floor(r * first) + 1
  end
  last = last < 0 and -floor(-last) or floor(last)
  if first > last then fault(mathlib.random, ...) end
  return floor(r * (last - first + 1)) + first
end

function maths.randomseed(...)
  local number = tonumber((...))
  if not number then fault(mathlib.randomseed, ...) end
  seed(number < 0 and -floor(-number) or floor(number))
end

-- Replies of commands: what execute() returns beside plain values

local items, position, count
local large = false -- the reply is: what of it is long strings has been told

local function refill(...)
  items, position, count = {...}, 0, select("#", ...)
end

-- Takes what came up since memory was `before` for no long strings.
local function discount(before, ...)
  seen = seen + gcinfo() - before
  return ...
end

local function item()
  if position == count then
    if large then refill(discount(gcinfo(), pull())) else refill(pull()) end
    last = nil
  end
  position = position + 1
  return items[position]
end

local function take()
  local value = item()
  if value ~= true then return value end
  local code = item()
  if code == "*" then
    local t = {}
    for index = 1, item() do t[index] = take() end
    return t
  elseif code == "%" then
    local t = {}
    for _ = 1, item() do
      local key = take()
      t[key] = take()
    end
    return {map = t}
  elseif code == "~" then
    local t = {}
    for _ = 1, item() do t[take()] = true end
    return {set = t}
  elseif code == "_" then return nil
  elseif code == "t" then return true
  elseif code == "f" then return false
  elseif code == "+" then return {ok = item()}
  elseif code == "-" then return {err = item(), ignore_error_stats_update = true}
  elseif code == "," then return {double = item()}
  elseif code == "(" then return {big_number = item()}
  end
  local format = item()
  return {verbatim_string = {format = format, string = item()}}
end

local function build(value, tag, long)
  if tag == 1 then return {ok = value} end
  if tag == 2 then return {err = value, ignore_error_stats_update = true} end
  if tag == 0 then error(EXHAUSTED, 0) end
  large = long ~= nil
  if large then bulk = bulk + long / 1024 end
  if tag == 3 then
    if large then return {discount(gcinfo(), pull())} end
    return {pull()}
  end
  if tag == 4 then
    position, count = 0, 0
    value = take()
    items = nil
    return value
  end
  return {err = value}
end

-- redis.*

local redis = {}
local loading = false

-- Lua gives a C function 8,000 slots, and lupa's call takes a few of its own: what comes close goes in two halves.
local function execute_wide(...)
  keep_arguments(unpack({...}, 1, WIDE / 2))
  return execute_rest(select(WIDE / 2 + 1, ...))
end

function redis.call(...)
  if gcinfo() > SOFT_KB then reclaim() end
  local value, tag, long
  if select("#", ...) < WIDE then value, tag, long = execute(...) else value, tag, long = execute_wide(...) end
  last = nil
  if tag == nil then return value end
  value = build(value, tag, long)
  if tag == 2 or tag == 5 then error(value, 0) end
  return value
end

function redis.pcall(...)
  if gcinfo() > SOFT_KB then reclaim() end
  local value, tag, long
  if select("#", ...) < WIDE then value, tag, long = execute(...) else value, tag, long = execute_wide(...) end
  last = nil
  if tag == nil then return value end
  return build(value, tag, long)
end

function redis.error_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return {err = "ERR wrong number or type of arguments"}
  end
  if byte(text, 1) == 45 then text = stringlib.sub(text, 2) end
  text = gsub(gsub(text, "^[\r\n]+", ""), "[\r\n]+$", "")
  if not find(text, " ", 1, true) then text = "ERR " .. text end
  return {err = text}
end

function redis.status_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return {err = "ERR wrong number or type of arguments"}
  end
  return {ok = text}
end

function redis.sha1hex(...)
  if select("#", ...) ~= 1 then fail("wrong number of arguments") end
  local text = ...
  local kind = type(text)
  if gcinfo() > SOFT_KB then reclaim() end
  return py_sha1((kind == "string" or kind == "number") and tostring(text) or "")
end

function redis.log(...)
  local n = select("#", ...)
  if n < 2 then fail("redis.log() requires two arguments or more.") end
  local level = tonumber((...))
  if not level then fail("First argument must be a number (log level).") end
  level = level < 0 and -floor(-level) or floor(level)
  if level < 0 or level > 3 then fail("Invalid debug level.") end
  local words = {}
  for index = 2, n do
    local word = select(index, ...)
    if type(word) == "string" or type(word) == "number" then words[#words + 1] = tostring(word) end
  end
  py_log(level, concat(words, " "))
end

local resp3 = false

function redis.setresp(...)
  if select("#", ...) ~= 1 then fail("redis.setresp() requires one argument.") end
  local version = tonumber((...))
  if version then version = floor(version) end
  if version ~= 2 and version ~= 3 then fail("RESP version must be 2 or 3.") end
  resp3 = version == 3
  py_set_protocol(version)
end

function redis.set_repl(...)
  if select("#", ...) ~= 1 then fail("redis.set_repl() requires two arguments.") end
  local flags = tonumber((...)) or 0
  flags = flags < 0 and -floor(-flags) or floor(flags)
  if flags < 0 or flags > 3 then
    fail("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
  end
  py_set_replication(flags)
end

function redis.acl_check_cmd(...)
  if gcinfo() > SOFT_KB then reclaim() end
  local value, tag = py_check(...)
  if tag ~= nil then error(build(value, tag), 0) end
  return value
end

redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING = 0, 1, 2, 3
redis.REPL_NONE, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_REPLICA, redis.REPL_ALL = 0, 1, 2, 2, 3
redis.REDIS_VERSION, redis.REDIS_VERSION_NUM = settings.version, settings.version_number

-- What of it there is while a library registers its functions.
local registering = {}

-- The flags of functions, with the bits of kvcore.scripting.scripts.
local flag_bits = {
  ["no-writes"] = 1, ["allow-oom"] = 2, ["allow-stale"] = 4, ["no-cluster"] = 8, ["allow-cross-slot-keys"] = 16,
}

-- A string, or a number as one; nil for anything else.
local function word(value)
  local kind = type(value)
  return (kind == "string" or kind == "number") and tostring(value) or nil
end

local function flags_of(names)
  local seen, flags = {}, 0
  if type(names) ~= "table" then
    fail("flags argument to redis.register_function must be a table representing function flags")
  end
  for index = 1, #names do
    local bit = flag_bits[stringlib.lower(word(rawget_(names, index)) or "")]
    if not bit then fail("unknown flag given") end
    if not seen[bit] then flags = flags + bit end
    seen[bit] = true
  end
  return flags
end

-- The named arguments of redis.register_function: name, callback, flags, description.
local function named(arguments)
  local name, callback, description
  local flags = 0
  for key, value in rawnext, frozen[arguments] or arguments do
    local field = word(key)
    if not field then fail("named argument key given to redis.register_function is not a string") end
    field = stringlib.lower(field)
    if field == "function_name" then
      name = word(value)
      if not name then fail("function_name argument given to redis.register_function must be a string") end
    elseif field == "description" then
      description = word(value)
      if not description then fail("description argument given to redis.register_function must be a string") end
    elseif field == "callback" then
      if type(value) ~= "function" then
        fail("callback argument given to redis.register_function must be a function")
      end
      callback = value
    elseif field == "flags" then
      flags = flags_of(value)
    else
      fail("unknown argument given to redis.register_function")
    end
  end
  if not name then fail("redis.register_function must get a function name argument") end
  if not callback then fail("redis.register_function must get a callback argument") end
  return name, callback, flags, description
end

-- The arguments of redis.register_function, whichever way they were given.
local function registration(...)
  local count = select("#", ...)
  local first, second = ...
  if count == 1 then
    if type(first) ~= "table" then
      fail("calling redis.register_function with a single argument is only applicable to Lua table "
        .. "(representing named arguments).")
    end
    return named(first)
  end
  if count ~= 2 then fail("wrong number of arguments to redis.register_function") end
  local name = word(first)
  if not name then fail("first argument to redis.register_function must be a string") end
  if type(second) ~= "function" then fail("second argument to redis.register_function must be a function") end
  return name, second, 0
end

if settings.functions then
  function registering.register_function(...)
    if not loading then fail("redis.register_function can only be called on FUNCTION LOAD command") end
    if gcinfo() > SOFT_KB then reclaim() end
    local message = py_register(registration(...))
    if message ~= nil then fail(message) end
  end
else
  function redis.replicate_commands() return true end
  function redis.breakpoint() return false end
  function redis.debug() end
end

-- What the script returns, flat

local function mark(out, n, code, ...)
  out[n + 1] = true
  out[n + 2] = code
  for index = 1, select("#", ...) do out[n + 2 + index] = (select(index, ...)) end
  return n + 2 + select("#", ...)
end

local function emit(out, n, value, depth)
  local kind = type(value)
  if kind == "string" or kind == "number" then
    out[n + 1] = value
    return n + 1
  end
  if kind == "boolean" then
    if resp3 then return mark(out, n, value and "t" or "f") end
    out[n + 1] = value and 1 or false
    return n + 1
  end
  if kind ~= "table" then
    out[n + 1] = false
    return n + 1
  end
  if depth > DEPTH then return mark(out, n, "-", "ERR reached lua stack limit") end
  local field = rawget_(value, "err")
  if type(field) == "string" then
    return mark(out, n, value.ignore_error_stats_update and "!" or "-", field)
  end
  field = rawget_(value, "ok")
  if type(field) == "string" then return mark(out, n, "+", field) end
  field = rawget_(value, "double")
  if type(field) == "number" then
    return mark(out, n, ",", field == 0 and 1 / field < 0 and "-0" or field) -- as a number it comes without its sign
  end
  field = rawget_(value, "map")
  if type(field) == "table" then
    n = mark(out, n, "%", 0)
    local at, size = n, 0
    for key, each in rawnext, field do
      n = emit(out, emit(out, n, key, depth + 1), each, depth + 1)
      size = size + 1
    end
    out[at] = size
    return n
  end
  field = rawget_(value, "set")
  if type(field) == "table" then
    n = mark(out, n, "~", 0)
    local at, size = n, 0
    for key in rawnext, field do
      n = emit(out, n, key, depth + 1)
      size = size + 1
    end
    out[at] = size
    return n
  end
  field = rawget_(value, "big_number")
  if type(field) == "string" then return mark(out, n, "(", field) end
  field = rawget_(value, "verbatim_string")
  if type(field) == "table" then
    local text, format = rawget_(field, "string"), rawget_(field, "format")
    if type(text) == "string" and type(format) == "string" then return mark(out, n, "=", format, text) end
  end
  n = mark(out, n, "*", 0)
  local at, size = n, 0
  while true do
    local each = rawget_(value, size + 1)
    if each == nil then break end
    size = size + 1
    local sort = type(each)
    if sort == "string" or sort == "number" then
      n = n + 1
      out[n] = each
    else
      n = emit(out, n, each, depth + 1)
    end
  end
  out[at] = size
  return n
end

local rest, sent, total

-- The next part of a long result.
local function more()
  local first = sent + 1
  sent = sent + CHUNK
  if sent >= total then
    local out, last = rest, total
    rest = nil
    return unpack(out, first, last)
  end
  return unpack(rest, first, sent)
end

local function finish(ok, value)
  local kind = type(value)
  if ok then
    if kind == "string" or kind == "number" then return value end
    if kind == "boolean" then
      if resp3 then return 0, value end
      return value and 1 or nil
    end
    if kind ~= "table" then return nil end
    local out = {}
    total = emit(out, 0, value, 1)
    if total <= CHUNK then return 1, unpack(out, 1, total) end
    rest, sent = out, 0
    return 2, total
  end
  if kind ~= "table" then
    if alien(value) then error(value, 0) end
    return 3, "ERR " .. tostring(value) -- the interpreter's own: no memory is left
  end
  local source, line = value.source, value.line
  return 3, value.err, source, line, value.ignore_error_stats_update
end

local globals = base
globals.string, globals.table = freeze(stringlib), freeze(tables)
globals.math, globals.coroutine = freeze(maths), freeze(coroutines)
for _, name in rawpairs({"cjson", "cmsgpack", "struct", "bit"}) do
  if G[name] then globals[name] = freeze(G[name]) end
end
local api = freeze(redis)
globals.redis, globals.server, globals.keydb = api, api, api
world = freeze(globals)
globals._G = world
local missing = {__index = function(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end}
rawsetmetatable(globals, missing)

-- A library's body sees no more than this; its functions, when they are called, see the globals above.
local nursery = rawsetmetatable({}, missing)
for _, name in rawpairs({"log", "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING", "REDIS_VERSION",
    "REDIS_VERSION_NUM"}) do
  registering[name] = redis[name]
end
rawsetmetatable(registering, missing)
nursery.redis = freeze(registering)
nursery.server, nursery.keydb = nursery.redis, nursery.redis

-- Puts `content` behind the face that all code has for its globals.
local function show(content)
  rawgetmetatable(world).__index = content
  frozen[world] = content
end
metas[world] = freeze(missing)
metas.string = freeze({__index = globals.string})

-- What the interpreter came with is gone.
for name in rawpairs(G) do rawset_(G, name, nil) end
look()

-- Called before each run: a killed one leaves its hook behind.
local function begin()
  resp3 = LOOKED_UP == nil -- false; and they stay
  wariness = WARY
  if bulk > DISMISSED_KB and not close then
    close = true -- what earlier scripts had may be gone
    wary = cpu_time() + WARY
  end
  if killed then
    sethook(hook, "", 1) -- first: until then each line, this one too, asks and is told again
    killed = false
  end
end

local staged = {}

local entry = {compile = compile, more = more}

function entry.stage(...)
  local n = #staged
  for index = 1, select("#", ...) do staged[n + index] = (select(index, ...)) end
end

-- Runs a script whose KEYS and ARGV are globals.
function entry.run(f, keys, ...)
  local n = select("#", ...)
  begin()
  if keys == n then
    globals.KEYS, globals.ARGV = {...}, {}
  elseif keys == 0 then
    globals.KEYS, globals.ARGV = {}, {...}
  elseif keys == 1 then
    globals.KEYS, globals.ARGV = {(...)}, {select(2, ...)}
  else
    local all, arguments = {...}, {}
    for index = keys + 1, n do
      arguments[index - keys] = all[index]
      all[index] = nil
    end
    globals.KEYS, globals.ARGV = all, arguments
  end
  return finish(rawxpcall(f, handler))
end

local function divide(keys)
  local first, second = {}, {}
  for index = 1, #staged do
    if index <= keys then first[index] = staged[index] else second[index - keys] = staged[index] end
  end
  staged = {}
  return first, second
end

-- The same for more arguments than one call takes: stage() had them.
function entry.run_staged(f, keys)
  begin()
  globals.KEYS, globals.ARGV = divide(keys)
  return finish(rawxpcall(f, handler))
end

-- Calls a function with a table of keys and one of arguments; what does not fit in one call has been staged.
function entry.call(f, keys, ...)
  begin()
  local first, second
  if #staged > 0 then
    first, second = divide(keys)
  elseif keys == 0 then
    first, second = {}, {...}
  elseif keys == 1 then
    first, second = {(...)}, {select(2, ...)}
  else
    local all = {...}
    first, second = {unpack(all, 1, keys)}, {unpack(all, keys + 1)}
  end
  return finish(rawxpcall(function() return f(first, second) end, handler))
end

-- Runs the body of a library; redis.register_function works meanwhile.
function entry.load(f)
  begin()
  loading = true
  show(nursery)
  local ok, value = rawxpcall(f, handler)
  show(globals)
  loading = false
  if ok then value = nil end
  return finish(ok, value)
end

return entry.compile, entry.run, entry.stage, entry.run_staged, entry.call, entry.load, entry.more
