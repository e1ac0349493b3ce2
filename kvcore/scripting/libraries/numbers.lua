-- Numbers as bytes: IEEE 754 and unsigned integers, big-endian, for cmsgpack and struct.
--
-- An unsigned 64-bit integer is two halves of 32 bits here, since a Lua number holds 53.

local byte, char, find, format = string.byte, string.char, string.find, string.format
local floor, frexp, ldexp = math.floor, math.frexp, math.ldexp
local HUGE = math.huge
local NAN = tonumber('nan')

local numbers = {}

-- Split an integer of the range -2^63 .. 2^64-1 in the halves of its two's complement.
function numbers.halves(integer)
  local high = floor(integer / 4294967296)
  return high % 4294967296, integer - high * 4294967296
end

-- Return the four bytes of an unsigned 32-bit integer.
local function bytes4(integer)
  return floor(integer / 16777216), floor(integer / 65536) % 256, floor(integer / 256) % 256, integer % 256
end

function numbers.pack4(integer)
  return char(bytes4(integer))
end

-- Round to an integer, halves to the even one.
local function round(number)
  local whole = floor(number)
  local rest = number - whole
  if rest > 0.5 or (rest == 0.5 and whole % 2 == 1) then
    return whole + 1
  end
  return whole
end

local function is_negative(number)
  if number == 0 then
    return 1 / number < 0
  end
  return number < 0 or (number ~= number and find(format('%f', number), '-', 1, true) ~= nil)
end

-- Return the float of four bytes that is nearest to `number`.
function numbers.pack_float(number)
  local sign = is_negative(number) and 128 or 0
  if number ~= number then
    return char(sign + 127, 192, 0, 0)
  end
  if number < 0 then
    number = -number
  end
  local bits
  if number == 0 then
    bits = 0
  elseif number == HUGE then
    bits = 0x7F800000
  else
    local fraction, exponent = frexp(number)
    if exponent < -125 then -- denormal: units of 2^-149
      bits = round(ldexp(number, 149))
    else
      -- A carry out of the fraction lands in the exponent, where it belongs.
      bits = (exponent + 125) * 8388608 + round(fraction * 16777216)
      if bits > 0x7F800000 then
        bits = 0x7F800000
      end
    end
  end
  local first, second, third, fourth = bytes4(bits)
  return char(sign + first, second, third, fourth)
end

function numbers.pack_double(number)
  local sign = is_negative(number) and 128 or 0
  if number ~= number then
    return char(sign + 127, 248, 0, 0, 0, 0, 0, 0)
  end
  if number < 0 then
    number = -number
  end
  local exponent, fraction = 0, 0
  if number == HUGE then
    exponent = 2047
  elseif number > 0 then
    fraction, exponent = frexp(number)
    exponent = exponent + 1022
    if exponent < 1 then -- denormal: units of 2^-1074
      fraction, exponent = ldexp(ldexp(number, 537), 537), 0
    else
      fraction = fraction * 9007199254740992 - 4503599627370496
    end
  end
  local high = floor(fraction / 4294967296)
  local low = fraction - high * 4294967296
  high = exponent * 1048576 + high
  local first, second, third, fourth = bytes4(high)
  return char(sign + first, second, third, fourth, bytes4(low))
end

-- Read the unsigned 32-bit integer at `at`.
local function unpack4(text, at)
  local first, second, third, fourth = byte(text, at, at + 3)
  return ((first * 256 + second) * 256 + third) * 256 + fourth
end
numbers.unpack4 = unpack4

function numbers.unpack_float(text, at)
  local bits = unpack4(text, at)
  local sign = 1
  if bits >= 2147483648 then
    sign, bits = -1, bits - 2147483648
  end
  local exponent = floor(bits / 8388608)
  local fraction = bits % 8388608
  if exponent == 255 then
    if fraction == 0 then
      return sign * HUGE
    end
    return sign < 0 and -NAN or NAN -- a product would drop the sign
  elseif exponent == 0 then
    return sign * ldexp(fraction, -149)
  end
  return sign * ldexp(fraction + 8388608, exponent - 150)
end

function numbers.unpack_double(text, at)
  local high, low = unpack4(text, at), unpack4(text, at + 4)
  local sign = 1
  if high >= 2147483648 then
    sign, high = -1, high - 2147483648
  end
  local exponent = floor(high / 1048576)
  local fraction = high % 1048576 * 4294967296 + low
  if exponent == 2047 then
    if fraction == 0 then
      return sign * HUGE
    end
    return sign < 0 and -NAN or NAN -- a product would drop the sign
  elseif exponent == 0 then
    return sign * ldexp(fraction, -1074)
  end
  return sign * ldexp(fraction + 4503599627370496, exponent - 1075)
end

return numbers
