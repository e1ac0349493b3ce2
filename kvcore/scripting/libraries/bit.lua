-- 32-bit operations as the bit library of redis-server 7.0.15 (Lua BitOp 1.0.2) computes them: results are signed.

local support = ...
local raise, kind = support.raise, support.kind
local select, tonumber, type = select, tonumber, type
local byte, format, rep, sub, upper = string.byte, string.format, string.rep, string.sub, string.upper
local floor, frexp, huge = math.floor, math.frexp, math.huge

-- conjunction[16 * a + b] is what the half-bytes a and b share.
local conjunction = {}
for first = 0, 15 do
  for second = 0, 15 do
    local result, place, a, b = 0, 1, first, second
    while a > 0 and b > 0 do
      if a % 2 == 1 and b % 2 == 1 then
        result = result + place
      end
      a, b, place = floor(a / 2), floor(b / 2), place * 2
    end
    conjunction[16 * first + second] = result
  end
end

-- Return the low 32 bits of a number rounded to an integer, halves to the even one. The original adds a constant
-- and takes the low bits of the sum's mantissa; only for a large number does that differ from a plain remainder.
local function to_unsigned(number)
  local sum = number + 6755399441055744
  if sum >= 4503599627370496 and sum < 9007199254740992 then
    return sum % 4294967296
  elseif sum ~= sum or sum == huge or sum == -huge or sum == 0 then
    return 0
  end
  local fraction = frexp(sum < 0 and -sum or sum)
  return fraction * 9007199254740992 % 4294967296
end

local function to_signed(bits)
  return bits >= 2147483648 and bits - 4294967296 or bits
end

-- Take an argument of the exposed function that calls this.
local function operand(value, argument, present)
  if type(value) ~= 'number' then
    local number = type(value) == 'string' and tonumber(value)
    if not number then
      raise(2, 'number expected, got ' .. kind(value, argument <= present), argument)
    end
    value = number
  end
  return to_unsigned(value)
end

local function conjoin(first, second)
  local result, place = 0, 1
  while first > 0 and second > 0 do
    local a, b = first % 16, second % 16
    result = result + conjunction[16 * a + b] * place
    first, second, place = (first - a) / 16, (second - b) / 16, place * 16
  end
  return result
end

local function shift_left(bits, count)
  -- What leaves at the top is cut first: the product must fit in the 53 bits of a number.
  return bits % 2 ^ (32 - count) * 2 ^ count
end

local function shift_right(bits, count)
  return floor(bits / 2 ^ count)
end

local function rotate_left(bits, count)
  return shift_left(bits, count) + shift_right(bits, (32 - count) % 32) % 2 ^ count
end

local bit = {}

function bit.tobit(...)
  return to_signed(operand((...), 1, select('#', ...)))
end

function bit.bnot(...)
  return to_signed(4294967295 - operand((...), 1, select('#', ...)))
end

function bit.bswap(...)
  local bits = operand((...), 1, select('#', ...))
  local first, second, third = floor(bits / 16777216), floor(bits / 65536) % 256, floor(bits / 256) % 256
  return to_signed(((bits % 256 * 256 + third) * 256 + second) * 256 + first)
end

function bit.band(...)
  local present = select('#', ...)
  local bits = operand((...), 1, present)
  for i = 2, present do
    bits = conjoin(bits, operand((select(i, ...)), i, present))
  end
  return to_signed(bits)
end

function bit.bor(...)
  local present = select('#', ...)
  local bits = operand((...), 1, present)
  for i = 2, present do
    local other = operand((select(i, ...)), i, present)
    bits = bits + other - conjoin(bits, other)
  end
  return to_signed(bits)
end

function bit.bxor(...)
  local present = select('#', ...)
  local bits = operand((...), 1, present)
  for i = 2, present do
    local other = operand((select(i, ...)), i, present)
    bits = bits + other - 2 * conjoin(bits, other)
  end
  return to_signed(bits)
end

function bit.lshift(...)
  local value, count = ...
  local present = select('#', ...)
  local bits = operand(value, 1, present)
  return to_signed(shift_left(bits, operand(count, 2, present) % 32))
end

function bit.rshift(...)
  local value, count = ...
  local present = select('#', ...)
  local bits = operand(value, 1, present)
  return to_signed(shift_right(bits, operand(count, 2, present) % 32))
end

function bit.arshift(...)
  local value, count = ...
  local present = select('#', ...)
  local bits = to_signed(operand(value, 1, present))
  return shift_right(bits, operand(count, 2, present) % 32)
end

function bit.rol(...)
  local value, count = ...
  local present = select('#', ...)
  local bits = operand(value, 1, present)
  return to_signed(rotate_left(bits, operand(count, 2, present) % 32))
end

function bit.ror(...)
  local value, count = ...
  local present = select('#', ...)
  local bits = operand(value, 1, present)
  return to_signed(rotate_left(bits, (32 - operand(count, 2, present) % 32) % 32))
end

function bit.tohex(...)
  local value, digits = ...
  local present = select('#', ...)
  local text = format('%08x', operand(value, 1, present))
  if present == 1 then
    return text
  end
  digits = to_signed(operand(digits, 2, present))
  if digits < 0 then
    digits = -digits
    text = upper(text)
  end
  return digits < 8 and sub(text, 9 - digits) or text
end

return bit
