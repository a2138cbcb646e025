//! Numbers of a curve, big-endian, as decimal text and back.

/// The text of a number.
pub(super) fn write(number: &[u8]) -> String {
    let mut digits = vec![0u8];
    for &byte in number {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

/// The number of a text of digits, in `size` bytes. `None`: it is no such text, or does not fit.
pub(super) fn read(text: &str, size: usize) -> Option<Vec<u8>> {
    // Three digits say more than a byte.
    let is_number = !text.is_empty() && text.len() <= 3 * size && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut number = is_number.then(|| vec![0u8; size])?;
    for digit in text.bytes().map(|byte| byte - b'0') {
        let mut carry = u16::from(digit);
        for byte in number.iter_mut().rev() {
            carry += u16::from(*byte) * 10;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_and_read() {
        for (number, text) in
            [(0u128, "0"), (7, "7"), (255, "255"), (256, "256"), (u128::MAX, "340282366920938463463374607431768211455")]
        {
            assert_eq!(write(&number.to_be_bytes()), text);
            assert_eq!(read(text, 16).unwrap(), number.to_be_bytes());
        }
        assert_eq!(read("0007", 2).unwrap(), [0, 7], "as Go reads it");
        assert_eq!(read("65535", 2).unwrap(), [255, 255]);
    }

    #[test]
    fn what_is_no_number_or_too_large_is_refused() {
        for text in ["", "-1", "+1", " 1", "1 ", "0x1", "١", "65536", "999999", "0000000001"] {
            assert_eq!(read(text, 2), None, "{text:?}");
        }
    }
}
