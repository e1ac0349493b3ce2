-- Functions of Lua's own libraries that may take long in one call, made of pieces the count hook gets in between.
--
-- What lives here: string and table functions, in place of those of the same name. What must not: anything of
-- redis-server's. The rules:
--
-- - What is cheap for certain is left to the function in C; the bound is worked out from the sizes alone.
-- - Results, errors and their positions are those of the functions in C. Where such a function raises the error, it
--   runs under `pcall`, save where it might call back: a script's own error must not pass through here.
-- - Nothing here is as deep as a pattern is long: the matcher in C recurses for each `?`, to the end of its stack.
--
-- The file is compiled without its lines (kvcore.scripting.chunks), so that its functions are to `error` what functions
-- in C are: no position.

-- Steps of the matcher in C at a time, bytes copied at a time, and the ceiling of the memory.
local BUDGET, PIECE, CEILING = ...
local error, pcall, type, tonumber, tostring = error, pcall, type, tonumber, tostring
local rawget, rawset, rawnext, getmetatable, select, unpack = rawget, rawset, next, getmetatable, select, unpack
local byte, char, sub, find, match, gmatch = string.byte, string.char, string.sub, string.find, string.match, string.gmatch
local gsub, rep, format = string.gsub, string.rep, string.format
local concat, insert, remove, sort, maxn = table.concat, table.insert, table.remove, table.sort, table.maxn
local foreach, foreachi = table.foreach, table.foreachi
local floor, ceil = math.floor, math.ceil
local getinfo, gcinfo = debug.getinfo, gcinfo

-- Errors

-- Hands on what a function in C gave under pcall; to be called by the function that stands for it.
local function checked(ok, ...)
  if ok then return ... end
  local message = ...
  if type(message) ~= "string" or message == "not enough memory" then error(message, 0) end
  local number, text = match(message, "^bad argument #(%d+) to '%?' %((.*)%)$")
  if number then
    local info = getinfo(2, "n")
    local name, method = info.name or "?", info.namewhat == "method"
    number = number - (method and 1 or 0)
    if number == 0 then
      message = format("calling '%s' on bad self (%s)", name, text)
    else
      message = format("bad argument #%d to '%s' (%s)", number, name, text)
    end
  end
  error(message, 3)
end

-- A string, or a number as one; nil for anything else.
local function textual(value)
  local kind = type(value)
  if kind == "string" then return value end
  return kind == "number" and tostring(value) or nil
end

-- A number as C makes an integer of it, nil for what is none.
local function integral(value)
  value = tonumber(value)
  return value and (value < 0 and ceil(value) or floor(value))
end

-- Patterns: what they may cost

local SPECIAL = "[%^%$%*%+%?%.%(%[%%%-]"
local MOST_CAPTURES, MOST_REPEATS = 32, 150

-- For so many nested repetitions, the length up to which the matcher in C stays within the budget.
local reaches = {}

local function reach(repeats)
  if reaches[repeats] then return reaches[repeats] end
  local n, ways = 0, 1
  if repeats <= 1 then
    n = repeats == 0 and 2 ^ 30 or BUDGET
  elseif repeats > MOST_REPEATS then
    n = -1
  else
    while ways <= BUDGET do
      n = n + 1
      ways = ways * (n + repeats) / n
    end
    n = n - 1
  end
  reaches[repeats] = n
  return n
end

-- Where the single character or the set at `at` ends, nil if it does not.
local function class_end(p, at)
  local c = byte(p, at)
  if c == 37 then -- %
    return at < #p and at + 2 or nil
  elseif c ~= 91 then -- [
    return at + 1
  end
  at = at + 1
  if byte(p, at) == 94 then at = at + 1 end
  repeat
    local each = byte(p, at)
    if not each then return nil end
    at = at + 1
    if each == 37 and at <= #p then at = at + 1 end
  until byte(p, at) == 93
  return at + 1
end

local QUANTIFIERS = {[42] = true, [43] = true, [45] = true, [63] = true} -- * + - ?

-- Counts in a pattern the repetitions that what follows may send back; returns them, whether the pattern is well
-- formed, and its captures.
local function weigh(p, at)
  local repeats, last, captures, open = 0, 0, 0, {}
  while at <= #p do
    local c, follower = byte(p, at), byte(p, at + 1)
    if c == 40 then -- (
      captures = captures + 1
      if follower == 41 then
        at = at + 1
      else
        open[#open + 1] = captures
      end
      at = at + 1
    elseif c == 41 then -- )
      if #open == 0 then return repeats + last, false end
      open[#open] = nil
      at = at + 1
    else
      repeats, last = repeats + last, 0
      if c == 37 and follower == 98 then -- %b
        if at + 3 > #p then return repeats, false end
        repeats, at = repeats + 1, at + 4
      elseif c == 37 and follower == 102 then -- %f
        at = byte(p, at + 2) == 91 and class_end(p, at + 2)
        if not at then return repeats, false end
      elseif c == 37 and follower and follower >= 48 and follower <= 57 then
        local index = follower - 48
        if index == 0 or index > captures then return repeats, false end
        for _, each in rawnext, open do
          if each == index then return repeats, false end
        end
        repeats, at = repeats + 1, at + 2
      else
        at = class_end(p, at)
        if not at then return repeats, false end
        if QUANTIFIERS[byte(p, at)] then last, at = 1, at + 1 end
      end
    end
  end
  return repeats, #open == 0 and captures <= MOST_CAPTURES, captures
end

local known, remembered = {}, 0

-- What is known of a pattern: the length of subjects that are left to C, whether it is well formed, its captures, and
-- the classes of characters in it, as the matcher below meets them.
local function study(p)
  local facts = known[p]
  if facts then return facts end
  local text = p
  local zero = find(p, "%z")
  if zero then text = sub(p, 1, zero - 1) end -- where a pattern ends for C
  local anchored, plain = byte(text, 1) == 94, not find(text, SPECIAL)
  local repeats, sound, captures = 0, true, 0
  if not plain or find(text, ")", 1, true) then repeats, sound, captures = weigh(text, anchored and 2 or 1) end
  local most = reach(anchored and repeats or repeats + 1)
  if repeats == 0 then most = floor(4 * most / (#text + 1)) end
  facts = {
    text = text, most = most, sound = sound, captures = captures, classes = {}, anchored = anchored,
    plain = plain,
  }
  if #p <= 256 then
    if remembered == 100 then known, remembered = {}, 0 end
    known[p], remembered = facts, remembered + 1
  end
  return facts
end

-- Patterns: the matcher

local subject, size, pattern, length, classes
local level, starts, lengths
local UNFINISHED, POSITION = -1, -2

-- The class at `at`: where it ends, and what is in it.
local function class(at)
  local stop = class_end(pattern, at)
  if not stop then
    error(byte(pattern, at) == 37 and "malformed pattern (ends with '%')" or "malformed pattern (missing ']')", 0)
  end
  local item, set = sub(pattern, at, stop - 1), {}
  local first = byte(item)
  if first == 46 or first == 37 or first == 91 then -- . % [
    for code = 0, 255 do
      if find(char(code), "^" .. item) then set[code] = true end
    end
  else
    set[first] = true
  end
  local result = {stop, set, "^" .. item .. "*"}
  classes[at] = result
  return result
end

local function balanced(at, p)
  if p + 1 > length then error("unbalanced pattern", 0) end
  local open, close = byte(pattern, p, p + 1)
  if byte(subject, at) ~= open then return nil end
  local depth = 1
  for index = at + 1, size do
    local c = byte(subject, index)
    if c == close then
      depth = depth - 1
      if depth == 0 then return index + 1 end
    elseif c == open then
      depth = depth + 1
    end
  end
  return nil
end

-- The text of a capture, or its position.
local function capture(index, first, stop)
  if index > level then
    if index ~= 1 then error("invalid capture index", 0) end
    return sub(subject, first, stop - 1)
  end
  local span = lengths[index]
  if span == UNFINISHED then error("unfinished capture", 0) end
  if span == POSITION then return starts[index] end
  return sub(subject, starts[index], starts[index] + span - 1)
end

local go

local function repeated(at, found, p)
  local stop, set = found[1], found[2]
  local last = at - 1
  if size <= PIECE then
    local _, there = find(subject, found[3], at)
    last = there or last
  else
    while last < size and set[byte(subject, last + 1)] do last = last + 1 end
  end
  if p > length then return last + 1 end
  for behind = last + 1, at, -1 do
    local result = go(behind, p)
    if result then return result end
  end
  return nil
end

local function opened(at, p, what)
  if level >= MOST_CAPTURES then error("too many captures", 0) end
  level = level + 1
  starts[level], lengths[level] = at, what
  local result = go(at, p)
  if not result then level = level - 1 end
  return result
end

local function closed(at, p)
  local index = level
  while index > 0 and lengths[index] ~= UNFINISHED do index = index - 1 end
  if index == 0 then error("invalid pattern capture", 0) end
  lengths[index] = at - starts[index]
  local result = go(at, p)
  if not result then lengths[index] = UNFINISHED end
  return result
end

local function frontier(at, p)
  if byte(pattern, p) ~= 91 then error("missing '[' after '%f' in pattern", 0) end
  local found = classes[p] or class(p)
  local set = found[2]
  if set[at > 1 and byte(subject, at - 1) or 0] or not set[byte(subject, at) or 0] then return nil end
  return found[1]
end

local function referred(at, index)
  if index < 1 or index > level or lengths[index] == UNFINISHED then error("invalid capture index", 0) end
  local text = capture(index)
  if lengths[index] == POSITION then return nil end -- it is as long as nothing can be
  return sub(subject, at, at + #text - 1) == text and at + #text or nil
end

-- Matches the pattern from `p` on at `at`; returns where the match ends, nil without one.
function go(at, p)
  while p <= length do
    local c, follower = byte(pattern, p, p + 1)
    if c == 40 then
      if follower == 41 then return opened(at, p + 2, POSITION) end
      return opened(at, p + 1, UNFINISHED)
    elseif c == 41 then
      return closed(at, p + 1)
    elseif c == 36 and p == length then
      return at == size + 1 and at or nil
    elseif c == 37 and follower == 98 then
      at = balanced(at, p + 2)
      if not at then return nil end
      p = p + 4
    elseif c == 37 and follower == 102 then
      p = frontier(at, p + 2)
      if not p then return nil end
    elseif c == 37 and follower and follower >= 48 and follower <= 57 then
      at = referred(at, follower - 48)
      if not at then return nil end
      p = p + 2
    else
      local found = classes[p] or class(p)
      local stop, set = found[1], found[2]
      local fits = set[byte(subject, at)]
      local sign = byte(pattern, stop)
      if sign == 63 then
        local result = fits and go(at + 1, stop + 1)
        if result then return result end
        p = stop + 1
      elseif sign == 42 then
        return repeated(at, found, stop + 1)
      elseif sign == 43 then
        if not fits then return nil end
        return repeated(at + 1, found, stop + 1)
      elseif sign == 45 then
        while true do
          local result = go(at, stop + 1)
          if result then return result end
          if not set[byte(subject, at)] then return nil end
          at = at + 1
        end
      else
        if not fits then return nil end
        at, p = at + 1, stop
      end
    end
  end
  return at
end

local function captured(first, stop)
  local values = {}
  for index = 1, level do values[index] = capture(index, first, stop) end
  return first, stop - 1, values
end

-- Finds a match from `at` on, here alone with `once`: its first and last position, and the captures but for `bare`.
local function search(s, facts, at, p, once, bare)
  repeat
    subject, size, pattern, length, classes = s, #s, facts.text, #facts.text, facts.classes
    level, starts, lengths = 0, {}, {}
    local stop = go(at, p)
    if stop then
      if bare then return at, stop - 1 end
      return captured(at, stop)
    end
    at = at + 1
  until at > #s + 1 or once
  return nil
end

-- Finds plain text, a window at a time: the search in C is quadratic.
local NEEDLE = 256

local function locate(s, p, at)
  local head = #p <= NEEDLE and p or sub(p, 1, NEEDLE)
  while at + #p - 1 <= #s do
    local first = find(sub(s, at, at + PIECE + #head - 2), head, 1, true)
    if not first then
      at = at + PIECE
    else
      at = at + first - 1
      if #p <= NEEDLE or sub(s, at, at + #p - 1) == p then return at, at + #p - 1 end
      at = at + 1
    end
  end
  return nil
end

local function gathered(first, last, ...)
  if not first then return nil end
  return first, last, {...}
end

-- The same by the matcher in C where that is sure to be quick. `literal` makes `^` a character like others. For `bare`
-- an ill-formed pattern goes without captures, which are an error only to those who ask for them.
local function step(s, facts, at, literal, bare)
  local here = facts.anchored and not literal
  if not facts.sound then return search(s, facts, at, here and 2 or 1, here, bare) end
  if #s - at + 1 <= facts.most and here == facts.anchored then return gathered(find(s, facts.text, at)) end
  if facts.plain then return gathered(locate(s, facts.text, at)) end
  return search(s, facts, at, here and 2 or 1, here)
end

-- Where a search begins, as `init` says.
local function beginning(s, init)
  local at = init == nil and 1 or integral(init)
  if at < 0 then at = #s + at + 1 end
  return at < 1 and 1 or at > #s + 1 and #s + 1 or at
end

local strings, tables = {}, {}

-- What find and match have in common: nil if C is to do it, else a subject, a pattern and where to begin.
local function heavy(s, p, init)
  s, p = textual(s), textual(p)
  if not s or not p or (init ~= nil and not integral(init)) then return nil end
  local facts = study(p)
  if #s <= facts.most then return nil end
  return s, facts, beginning(s, init), p
end

local function searched(wanted, s, facts, at)
  local first, last, values = step(s, facts, at)
  if not first then return nil end
  if wanted then return first, last, unpack(values) end
  if #values == 0 then return sub(s, first, last) end
  return unpack(values)
end

function strings.find(...)
  local s, p, init, plain = ...
  local facts = known[p]
  if facts and type(s) == "string" and init == nil and facts.sound and #s <= facts.most then return find(...) end
  local text, facts, at, whole = heavy(s, p, init)
  if plain or (facts and facts.plain) then
    text, whole = textual(s), textual(p)
    if text and whole and (init == nil or integral(init)) and #text * (10 + #whole / 20) > 4 * BUDGET then
      return locate(text, whole, beginning(text, init))
    end
    return checked(pcall(find, ...))
  end
  if not text then return checked(pcall(find, ...)) end
  return checked(pcall(searched, true, text, facts, at))
end

function strings.match(...)
  local s, p, init = ...
  local facts = known[p]
  if facts and type(s) == "string" and init == nil and facts.sound and #s <= facts.most then return match(...) end
  local text, facts, at = heavy(s, p, init)
  if not text then return checked(pcall(match, ...)) end
  return checked(pcall(searched, false, text, facts, at))
end

function strings.gmatch(...)
  local s, p = textual((...)), textual((select(2, ...)))
  if not s or not p then return checked(pcall(gmatch, ...)) end
  local facts = study(p)
  if facts.sound and #s <= facts.most and not facts.anchored then return gmatch(s, p) end
  local at = 1
  local function following()
    if at > #s + 1 then return nil end
    local first, last, values = step(s, facts, at, true)
    if not first then
      at = #s + 2
      return nil
    end
    at = last >= first and last + 1 or last + 2
    if #values == 0 then return sub(s, first, last) end
    return unpack(values)
  end
  return function()
    return checked(pcall(following))
  end
end

-- Says whether a text may replace: each capture it names is there.
local function refers_well(text, captures)
  if not find(text, "%", 1, true) then return true end
  for digit in gmatch(text, "%%(.)") do
    digit = tonumber(digit)
    if digit and digit > 1 and digit > captures then return false end
  end
  return true
end

-- What replaces a match, the captures of which are given, or are those of the last search.
local function expand(text, s, first, last, values)
  return (gsub(text, "%%(.?)", function(letter)
    local digit = tonumber(letter)
    if not digit then return letter ~= "" and letter or "\0" end
    if digit == 0 then return sub(s, first, last) end
    if not values then return capture(digit, first, last + 1) end
    if digit == 1 and #values == 0 then return sub(s, first, last) end
    if digit > #values then error("invalid capture index", 0) end
    return values[digit]
  end))
end

local function replaced(out, s, facts, with, most)
  local kind, at, count, n = type(with), 1, 0, 0
  while count < most do
    local ok, first, last, values = pcall(step, s, facts, at, false, kind ~= "function")
    if not ok then return first end
    if not first then break end
    count = count + 1
    local value
    if kind == "string" then
      ok, value = pcall(expand, with, s, first, last, values)
      if not ok then return value end
    else
      if not values then
        ok, value = pcall(capture, 1, first, last + 1)
        if not ok then return value end
        values = {value}
      elseif #values == 0 then
        values[1] = sub(s, first, last)
      end
      if kind == "table" then
        value = with[values[1]]
      else
        value = with(unpack(values))
      end
      if not value then
        value = sub(s, first, last)
      elseif type(value) ~= "string" and type(value) ~= "number" then
        return "invalid replacement value (a " .. type(value) .. ")"
      end
    end
    out[n + 1], out[n + 2] = sub(s, at, first - 1), value
    n = n + 2
    at = last + 1
    if last < first then
      if at > #s then break end
      n = n + 1
      out[n] = sub(s, at, at)
      at = at + 1
    end
    if facts.anchored then break end
  end
  out[n + 1] = sub(s, at)
  return nil, count
end

-- gsub in C with a function or a table, the only error of which is raised for it.
local function guarded(s, p, with, most)
  local lookup, unfit = type(with) == "table", nil
  local result, count = gsub(s, p, function(...)
    if unfit then return nil end
    local value
    if lookup then value = with[(...)] else value = with(...) end
    local kind = type(value)
    if value and kind ~= "string" and kind ~= "number" then
      unfit = kind
      return nil
    end
    return value
  end, most)
  return result, count, unfit and "invalid replacement value (a " .. unfit .. ")"
end

function strings.gsub(...)
  local s, p, with, most = ...
  local kind = type(with)
  s, p = textual(s), textual(p)
  if not s or not p or (most ~= nil and not integral(most))
    or (kind ~= "string" and kind ~= "number" and kind ~= "table" and kind ~= "function") then
    return checked(pcall(gsub, ...))
  end
  local facts = study(p)
  if kind == "number" then with, kind = tostring(with), "string" end
  if facts.sound and #s <= facts.most then
    if kind ~= "string" then
      local result, count, message = guarded(s, p, with, most)
      if message then checked(false, message) end
      return result, count
    end
    if #s <= 4 * PIECE and refers_well(with, facts.captures) then return gsub(s, p, with, most) end
  end
  local out = {}
  local message, count = replaced(out, s, facts, with, most == nil and #s + 1 or integral(most))
  if message then checked(false, message) end
  return tables.concat(out), count
end

-- Copies

local HALF = 2 ^ 31

local function in_pieces(f, s)
  local out = {}
  for at = 1, #s, PIECE do out[#out + 1] = f(sub(s, at, at + PIECE - 1)) end
  return out
end

for _, name in rawnext, {"upper", "lower"} do
  local f = string[name]
  strings[name] = function(...)
    local s = ...
    if type(s) ~= "string" then return checked(pcall(f, ...)) end
    if #s <= PIECE then return f(s) end
    return concat(in_pieces(f, s))
  end
end

local reverse = string.reverse

function strings.reverse(...)
  local s = ...
  if type(s) ~= "string" then return checked(pcall(reverse, ...)) end
  if #s <= PIECE then return reverse(s) end
  local out, backwards = in_pieces(reverse, s), {}
  for index = #out, 1, -1 do backwards[#backwards + 1] = out[index] end
  return concat(backwards)
end

function strings.rep(...)
  local s, n = ...
  local text, count = textual(s), integral(n)
  if not text or not count then return checked(pcall(rep, ...)) end
  if #text == 0 then return "" end
  if #text * count <= PIECE then return rep(text, count) end
  count = count < 2 ^ 63 and (count + HALF) % (2 * HALF) - HALF or 0 -- as an int has it
  if count < 1 then return "" end
  if #text * count + 1024 * gcinfo() > CEILING then error("not enough memory", 0) end
  local times = floor(PIECE / #text)
  local out = ""
  if times > 1 then
    out, text = rep(text, count % times), rep(text, times)
    count = floor(count / times)
  end
  while count > 0 do -- doubling it
    if count % 2 == 1 then out = out == "" and text or out .. text end
    count = floor(count / 2)
    if count > 0 then text = text .. text end
  end
  return out
end

local function quote(s)
  return (gsub(format("%q", s), '^"(.*)"$', "%1"))
end

function strings.format(...)
  local count, total = select("#", ...), 0
  for index = 2, count do
    local value = (select(index, ...))
    if type(value) == "string" then total = total + #value end
  end
  local layout = textual((...))
  if total <= PIECE or not layout or not find(layout, "q", 1, true) then return checked(pcall(format, ...)) end
  local values, index = {...}, 1
  layout = gsub(layout, "%%([-+ #0]*[%d.]*)(.)", function(options, letter)
    if letter == "%" then return nil end
    index = index + 1
    local value = values[index]
    if letter == "q" and type(value) == "string" and #value > PIECE then
      values[index] = '"' .. concat(in_pieces(quote, value)) .. '"'
      return "%s"
    end
  end)
  values[1] = layout
  return checked(pcall(format, unpack(values, 1, count)))
end

-- Tables

local MANY = floor(PIECE / 32) -- elements at a time

function tables.concat(...)
  local t, between, first, last = ...
  if type(t) ~= "table" or #t <= MANY then return checked(pcall(concat, ...)) end
  first, last = first == nil and 1 or integral(first), last == nil and #t or integral(last)
  between = between == nil and "" or textual(between)
  if not first or not last or not between or last - first < MANY then return checked(pcall(concat, ...)) end
  local out = {}
  for at = first, last, MANY do
    local stop = at + MANY - 1
    out[#out + 1] = checked(pcall(concat, t, between, at, stop < last and stop or last))
  end
  return checked(pcall(concat, out, between))
end

function tables.insert(...)
  local t, at, value = ...
  local count = select("#", ...)
  if count == 2 and type(t) == "table" then
    insert(t, at)
    return
  end
  if count == 3 and type(t) == "table" and #t > MANY and integral(at) then
    at = integral(at)
    local last = #t + 1
    if at > last then last = at end
    for index = last, at + 1, -1 do rawset(t, index, rawget(t, index - 1)) end
    rawset(t, at, value)
    return
  end
  return checked(pcall(insert, ...))
end

function tables.remove(...)
  local t, at = ...
  if type(t) == "table" and at == nil then return remove(t) end
  if type(t) == "table" and #t > MANY and integral(at) then
    at = integral(at)
    local last = #t
    if at < 1 or at > last then return end
    local value = rawget(t, at)
    for index = at, last - 1 do rawset(t, index, rawget(t, index + 1)) end
    rawset(t, last, nil)
    return value
  end
  return checked(pcall(remove, ...))
end

function tables.maxn(...)
  local t = ...
  if type(t) ~= "table" then return checked(pcall(maxn, ...)) end
  local largest = 0
  for key in rawnext, t do
    if type(key) == "number" and key > largest then largest = key end
  end
  return largest
end

-- Those that call back have only arguments to complain of before they do.

function tables.foreach(...)
  local t, f = ...
  if type(t) ~= "table" or type(f) ~= "function" then return checked(pcall(foreach, ...)) end
  for key, value in rawnext, t do
    local result = f(key, value)
    if result ~= nil then return result end
  end
end

function tables.foreachi(...)
  local t, f = ...
  if type(t) ~= "table" or type(f) ~= "function" then return checked(pcall(foreachi, ...)) end
  for index = 1, #t do
    local result = f(index, rawget(t, index))
    if result ~= nil then return result end
  end
end

local DISORDER = "invalid order function for sorting"

local function less(a, b)
  return a < b
end

-- The quicksort of table.sort, step for step: what it makes of equal elements and of odd orders is the same.
local function quicksort(t, low, high, before)
  while low < high do
    local a, z = t[low], t[high]
    if before(z, a) then
      t[low] = z
      t[high] = a
    end
    if high - low == 1 then break end
    local middle = floor((low + high) / 2)
    local pivot = t[middle]
    a = t[low]
    if before(pivot, a) then
      t[middle] = a
      t[low] = pivot
    else
      z = t[high]
      if before(z, pivot) then
        t[middle] = z
        t[high] = pivot
      end
    end
    if high - low == 2 then break end
    pivot = t[middle]
    local second = t[high - 1]
    t[middle] = second
    t[high - 1] = pivot
    local i, j = low, high - 1
    while true do
      i = i + 1
      local left = t[i]
      while before(left, pivot) do
        if i > high then return DISORDER end
        i = i + 1
        left = t[i]
      end
      j = j - 1
      local right = t[j]
      while before(pivot, right) do
        if j < low then return DISORDER end
        j = j - 1
        right = t[j]
      end
      if j < i then break end
      t[i] = right
      t[j] = left
    end
    local kept = t[high - 1]
    t[high - 1] = t[i]
    t[i] = kept
    local message
    if i - low < high - i then
      message = quicksort(t, low, i - 1, before)
      low = i + 1
    else
      message = quicksort(t, i + 1, high, before)
      high = i - 1
    end
    if message then return message end
  end
  return nil
end

function tables.sort(...)
  local t, before = ...
  if type(t) ~= "table" or (before ~= nil and type(before) ~= "function") then return checked(pcall(sort, ...)) end
  local kind = type(t[1])
  if before == nil and kind == "number" and #t <= 2 * MANY then return sort(t) end
  local content, count = t, #t
  if getmetatable(t) ~= nil then -- which is passed by
    content = {}
    for index = 1, count do content[index] = rawget(t, index) end
  end
  local message
  if before then
    message = quicksort(content, 1, count, before)
  else
    local ok
    ok, message = pcall(quicksort, content, 1, count, less)
    if not ok then
      if type(message) == "string" then message = gsub(message, "^pieces:0: ", "") end
      error(message, 0)
    end
  end
  if content ~= t then
    for index = 1, count do rawset(t, index, content[index]) end
  end
  if message then checked(false, message) end
end

-- In place of the originals; whoever took those before keeps them.
for name, f in rawnext, strings do string[name] = f end
for name, f in rawnext, tables do table[name] = f end
if string.gfind then string.gfind = strings.gmatch end
