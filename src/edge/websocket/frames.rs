//! Where one direction of a WebSocket stands (RFC 6455 section 5.2), so that a frame of ours can go between two of the
//! sender's. Payloads are not looked at, and nothing is refused: that is the receiver's to do.

/// A connection that goes away: its server ends (RFC 6455 section 7.4.1).
pub const GOING_AWAY: u16 = 1001;
/// A connection that breaks a policy: its session has ended.
pub const POLICY_VIOLATION: u16 = 1008;

const OPCODE_CLOSE: u8 = 0x8;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Opcode and short length.
const HEAD_BYTES_MIN: usize = 2;
/// With the longest length and a mask.
const HEAD_BYTES_MAX: usize = HEAD_BYTES_MIN + 8 + MASK_BYTES;
const MASK_BYTES: usize = 4;

/// Follows the frames of one direction.
#[derive(Debug, Default)]
pub struct Frames {
    head: [u8; HEAD_BYTES_MAX],
    /// How much of the next frame's head has passed.
    filled: usize,
    /// How much of a frame's payload is still to pass.
    payload: u64,
    closed: bool,
}

impl Frames {
    /// Bytes have passed.
    pub fn note(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let count = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= count as u64;
                bytes = &bytes[count..];
                continue;
            }
            let wanted = self.head_bytes() - self.filled;
            let (now, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.head[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = rest;
            if self.filled >= HEAD_BYTES_MIN && self.filled == self.head_bytes() {
                self.payload = self.payload_bytes();
                self.closed |= self.head[0] & 0x0f == OPCODE_CLOSE;
                self.filled = 0;
            }
        }
    }

    /// Whether another frame may follow here: no frame is half-way, and none has said that it was the last.
    pub fn may_follow(&self) -> bool {
        self.payload == 0 && self.filled == 0 && !self.closed
    }

    /// Whether the sender has sent its close frame (or is about to have done so).
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// How long the head of the current frame is, as far as it is known.
    fn head_bytes(&self) -> usize {
        if self.filled < HEAD_BYTES_MIN {
            return HEAD_BYTES_MIN;
        }
        let length = match self.head[1] & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.head[1] & MASKED != 0 { MASK_BYTES } else { 0 };
        HEAD_BYTES_MIN + length + mask
    }

    fn payload_bytes(&self) -> u64 {
        let [_, short, l0, l1, l2, l3, l4, l5, l6, l7, ..] = self.head;
        match short & !MASKED {
            126 => u64::from(u16::from_be_bytes([l0, l1])),
            127 => u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7]),
            length => u64::from(length),
        }
    }
}

/// A close frame with `code`; `mask` is for what a client sends (RFC 6455 section 5.3).
pub fn close(code: u16, mask: Option<[u8; MASK_BYTES]>) -> Vec<u8> {
    let [high, low] = code.to_be_bytes();
    match mask {
        None => vec![FIN | OPCODE_CLOSE, 2, high, low],
        Some(mask @ [m0, m1, _, _]) => {
            let mut frame = vec![FIN | OPCODE_CLOSE, MASKED | 2];
            frame.extend_from_slice(&mask);
            frame.extend_from_slice(&[high ^ m0, low ^ m1]);
            frame
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of `length` zeros.
    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let bit = if masked { MASKED } else { 0 };
        let mut bytes = vec![FIN | opcode];
        match length {
            0..126 => bytes.push(bit | length as u8),
            126..65_536 => {
                bytes.push(bit | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(bit | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.resize(bytes.len() + length + if masked { MASK_BYTES } else { 0 }, 0);
        bytes
    }

    #[test]
    fn frames_end_where_they_end_however_they_are_cut() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for masked in [false, true] {
                let bytes = frame(2, length, masked);
                for piece in [1, 2, 3, 7, bytes.len()] {
                    let mut frames = Frames::default();
                    let mut left = bytes.len();
                    for part in bytes.chunks(piece) {
                        frames.note(part);
                        left -= part.len();
                        assert_eq!(frames.may_follow(), left == 0, "{length} {masked} by {piece}, {left} left");
                    }
                }
                let mut frames = Frames::default();
                frames.note(&[bytes.clone(), bytes.clone()].concat());
                assert!(frames.may_follow());
                frames.note(&[&bytes[..], &bytes[..1]].concat());
                assert!(!frames.may_follow());
            }
        }
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        for mask in [None, Some([1, 2, 3, 4])] {
            let mut frames = Frames::default();
            frames.note(&close(GOING_AWAY, mask));
            assert!(frames.is_closed() && !frames.may_follow());
        }
        assert_eq!(close(1001, None), [0x88, 2, 3, 0xe9]);
        assert_eq!(close(1008, Some([0xff, 0xff, 0, 0])), [0x88, 0x82, 0xff, 0xff, 0, 0, 0xfc, 0x0f]);
    }

    #[test]
    fn a_length_beyond_all_bounds_is_no_defect() {
        let mut frames = Frames::default();
        frames.note(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255, 0]);
        assert!(!frames.may_follow() && !frames.is_closed());
    }
}
