-- What the four libraries share: argument checks and errors that read as those of a library written in C.
--
-- Every exposed function either checks its arguments itself and blames through `raise`, or runs its body under
-- `pcall` and hands what it caught to `rethrow`. A body reports through `fail`, from any depth. Errors then carry
-- the position of the script's line that called the exposed function, and never a line of these files.
-- Everything used is a local captured before a script runs: no script can change what a library sees.

local error, pcall, select, tonumber, tostring, type = error, pcall, select, tonumber, tostring, type
local floor, ceil = math.floor, math.ceil
local format, find, sub = string.format, string.find, string.sub
local getinfo = debug.getinfo

local support = {}

-- The one error object of `fail`; its identity tells it from whatever else a body may raise.
local failure = {}

-- Raise `text` for the exposed function `level` calls up (1: the caller of raise). With `argument` it is the
-- standard complaint about that argument, under the name by which the script called the function.
function support.raise(level, text, argument)
  if argument then
    local info = getinfo(level + 1, 'n')
    local name = info and info.name or '?'
    if info and info.namewhat == 'method' then
      argument = argument - 1
    end
    if argument == 0 and info and info.namewhat == 'method' then
      text = format("calling '%s' on bad self (%s)", name, text)
    else
      text = format("bad argument #%d to '%s' (%s)", argument, name, text)
    end
  end
  error(text, level + 2)
end
local raise = support.raise

-- Leave a body with an error. `bare` leaves the script's position out.
function support.fail(text, argument, bare)
  failure.text, failure.argument, failure.bare = text, argument, bare
  error(failure)
end
local fail = support.fail

-- Called by an exposed function with what its pcall caught.
function support.rethrow(caught)
  if caught ~= failure then
    error(caught, 0)
  end
  if failure.bare then
    error(failure.text, 0)
  end
  raise(2, failure.text, failure.argument)
end

-- Name the type of an argument; `present` is false where none was given.
local function kind(value, present)
  return present and type(value) or 'no value'
end
support.kind = kind

-- The bytes that a function in C is to go through at a time: it cannot be stopped.
support.PIECE = 262144

-- The first place from `at` on of a character that matches `set`, nil without one.
function support.scan(text, set, at)
  local window = 64
  while #text - at >= support.PIECE do
    local found = find(sub(text, at, at + window - 1), set)
    if found then
      return at + found - 1
    end
    at = at + window
    if window < support.PIECE then
      window = 4 * window
    end
  end
  return (find(text, set, at))
end

-- Inside bodies: return the argument as the wanted type or fail as the auxiliary library would.

function support.check_string(value, argument, present)
  local actual = type(value)
  if actual == 'string' then
    return value
  elseif actual == 'number' then
    return tostring(value)
  end
  fail('string expected, got ' .. kind(value, present), argument)
end

function support.check_number(value, argument, present)
  local actual = type(value)
  if actual == 'number' then
    return value
  elseif actual == 'string' then
    local number = tonumber(value)
    if number then
      return number
    end
  end
  fail('number expected, got ' .. kind(value, present), argument)
end
local check_number = support.check_number

-- Convert to a 64-bit integer as the processor does: toward zero, and what does not fit is the smallest one.
local function truncate(number)
  if not (number > -9223372036854775809 and number < 9223372036854775808) then
    return -9223372036854775808
  end
  return number < 0 and ceil(number) or floor(number)
end
support.truncate = truncate

-- Keep the low 32 bits of an integral number, signed.
local function int32(number)
  number = number % 4294967296 -- first of all: a sum with a large number is not exact
  return number >= 2147483648 and number - 4294967296 or number
end
support.int32 = int32

function support.check_integer(value, argument, present)
  return truncate(check_number(value, argument, present))
end

function support.check_int32(value, argument, present)
  return int32(truncate(check_number(value, argument, present)))
end

return support
