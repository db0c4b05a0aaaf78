//! Event files that TensorBoard reads.
//!
//! A file is a sequence of records, each
//!
//! | bytes | what |
//! |---|---|
//! | 8 | length n of the data, u64 |
//! | 4 | masked CRC of those 8 bytes |
//! | n | the data: one `Event` |
//! | 4 | masked CRC of the data |
//!
//! all little-endian. The CRC is CRC-32C (Castagnoli, RFC 3720 B.4), masked: rotated right by 15 bits, plus 0xa282ead8.
//! An event is a protocol-buffer message, written out by hand; the fields used here are
//!
//! ```text
//! Event   { 1: wall_time f64, 2: step int64, 3: file_version string | 5: summary Summary }
//! Summary { 1: value Value, repeated }
//! Value   { 1: tag string, 2: simple_value f32 }
//! ```
//!
//! The first event of a file holds the version `brain.Event:2`.

use std::io::{self, Write};

/// Writes scalars as events. TensorBoard takes the files whose names contain `tfevents`: see [`file_name`].
#[derive(Debug)]
pub struct EventWriter<W: Write> {
    to: W,
}

/// The usual name of an event file begun at `wall_time`, in seconds since 1970; files of a folder are read in the order
/// of their names.
pub fn file_name(wall_time: f64) -> String {
    format!("events.out.tfevents.{:010}.upg", wall_time as u64)
}

/// Whether a file has such a name.
pub fn is_ours(name: &str) -> bool {
    name.strip_prefix("events.out.tfevents.").is_some_and(|rest| rest.ends_with(".upg"))
}

impl<W: Write> EventWriter<W> {
    /// Begins a file at `wall_time`, in seconds since 1970.
    ///
    /// # Errors
    /// If `to` can't be written to.
    pub fn new(to: W, wall_time: f64) -> io::Result<Self> {
        let mut writer = Self { to };
        let mut event = Message::default();
        event.double(1, wall_time);
        event.bytes(3, b"brain.Event:2");
        writer.record(&event.0)?;
        Ok(writer)
    }

    /// Writes one event with all `values`, each a tag (`loss`, `validation/ess_reverse`) and a number, which is rounded
    /// to f32. NaN and infinities are written as they are. `wall_time` is in seconds since 1970.
    ///
    /// # Errors
    /// If the file can't be written to.
    pub fn scalars(&mut self, step: u64, wall_time: f64, values: &[(&str, f64)]) -> io::Result<()> {
        let mut summary = Message::default();
        for &(tag, number) in values {
            let mut value = Message::default();
            value.bytes(1, tag.as_bytes());
            value.float(2, number as f32);
            summary.bytes(1, &value.0);
        }
        let mut event = Message::default();
        event.double(1, wall_time);
        event.int(2, step);
        event.bytes(5, &summary.0);
        self.record(&event.0)
    }

    /// Hands what was written on to the system.
    ///
    /// # Errors
    /// If the file can't be written to.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(data.len() + 16);
        record.extend(length);
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(data);
        record.extend(masked_crc(data).to_le_bytes());
        self.to.write_all(&record) // one call: a reader never waits in the middle of a record
    }
}

/// A protocol-buffer message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

/// How the value of a field is laid out.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Eight = 1,
    Length = 2,
    Four = 5,
}

impl Message {
    fn key(&mut self, field: u64, wire: Wire) {
        self.varint(field << 3 | wire as u64);
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn int(&mut self, field: u64, value: u64) {
        self.key(field, Wire::Varint);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, Wire::Eight);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, Wire::Four);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, Wire::Length);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc: u32, &byte| crc >> 8 ^ CRC_OF_BYTE[usize::from(crc as u8 ^ byte)])
}

/// The CRC-32C register after one byte; the polynomial is 0x1edc6f41, here with its bits reversed.
const CRC_OF_BYTE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of a message: its number, and its bytes as they lie in the file (a varint: decoded, little-endian).
    type Field = (u64, Vec<u8>);

    /// CRC-32C by long division, most significant bit first, with the polynomial as it is printed in RFC 3720.
    fn crc_by_division(data: &[u8]) -> u32 {
        let mut remainder = u32::MAX;
        for byte in data {
            for bit in 0..8 {
                let top = remainder >> 31 ^ u32::from(byte >> bit & 1);
                remainder = remainder << 1 ^ if top == 1 { 0x1edc_6f41 } else { 0 };
            }
        }
        !remainder.reverse_bits()
    }

    fn unmasked(stored: &[u8]) -> u32 {
        let masked = u32::from_le_bytes(stored.try_into().unwrap()).wrapping_sub(0xa282_ead8);
        masked.rotate_left(15)
    }

    fn records(mut file: &[u8]) -> Vec<Vec<u8>> {
        let mut records = vec![];
        while !file.is_empty() {
            let n = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
            assert_eq!(unmasked(&file[8..12]), crc_by_division(&file[..8]));
            assert_eq!(unmasked(&file[12 + n..16 + n]), crc_by_division(&file[12..12 + n]));
            records.push(file[12..12 + n].to_vec());
            file = &file[16 + n..];
        }
        records
    }

    fn take_varint(data: &mut &[u8]) -> u64 {
        let n = 1 + data.iter().position(|byte| byte & 0x80 == 0).unwrap();
        let value = data[..n].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
        *data = &data[n..];
        value
    }

    fn fields(mut data: &[u8]) -> Vec<Field> {
        let mut fields = vec![];
        while !data.is_empty() {
            let key = take_varint(&mut data);
            let n = match key & 7 {
                0 => {
                    fields.push((key >> 3, take_varint(&mut data).to_le_bytes().to_vec()));
                    continue;
                }
                1 => 8,
                2 => take_varint(&mut data) as usize,
                5 => 4,
                wire => panic!("wire type {wire}"),
            };
            fields.push((key >> 3, data[..n].to_vec()));
            data = &data[n..];
        }
        fields
    }

    #[test]
    fn crc_has_the_published_check_values() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa); // RFC 3720, B.4
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn a_decoder_reads_back_what_was_written() {
        let long = "η".repeat(150); // longer than one byte of a varint counts
        let (step, time) = (u64::from(u32::MAX) + 7, 1.75e9 + 0.125);
        let scalars = [("loss", -12.3), ("validation/ess_reverse", f64::NAN), (&long, f64::NEG_INFINITY), ("", 1e300)];
        let mut file = vec![];
        let mut writer = EventWriter::new(&mut file, 1.5).unwrap();
        writer.scalars(step, time, &scalars).unwrap();
        writer.scalars(128, time, &[]).unwrap();
        writer.flush().unwrap();

        let [version, event, empty] = <[Vec<u8>; 3]>::try_from(records(&file)).unwrap();
        assert_eq!(fields(&version), [(1, 1.5f64.to_le_bytes().to_vec()), (3, b"brain.Event:2".to_vec())]);
        let [wall_time, at, summary] = <[Field; 3]>::try_from(fields(&event)).unwrap();
        assert_eq!(wall_time, (1, time.to_le_bytes().to_vec()));
        assert_eq!(at, (2, step.to_le_bytes().to_vec()));
        assert_eq!(summary.0, 5);
        let values = fields(&summary.1);
        assert_eq!(values.len(), scalars.len());
        for ((number, value), (tag, scalar)) in values.iter().zip(scalars) {
            let bytes = (scalar as f32).to_le_bytes().to_vec();
            assert_eq!((*number, fields(value)), (1, vec![(1, tag.as_bytes().to_vec()), (2, bytes)]));
        }
        assert_eq!(fields(&empty)[1..], [(2, 128u64.to_le_bytes().to_vec()), (5, vec![])]);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut space = [0u8; 50];
        let mut writer = EventWriter::new(&mut space[..], 0.0).unwrap();
        assert_eq!(writer.scalars(1, 0.0, &[("loss", 1.0)]).unwrap_err().kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn names_of_files_sort_by_time() {
        assert!(file_name(999_999_999.9) < file_name(1e9));
        assert_eq!(file_name(1.75e9), "events.out.tfevents.1750000000.upg");
    }
}
