//! Tables on disks that sfdisk made, judged by sfdisk and sgdisk.

use super::*;
use crate::boot::image::slots;
use crate::boot::image::tests::disk::{self, RUNNING};

#[test]
fn a_renamed_partition_is_what_the_tools_see() {
    let mut medium = disk::medium();
    let mut table = Table::read(&medium).unwrap();
    let before = table.partitions();
    assert_eq!(before.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), disk::NAMES);
    assert_eq!((before[1].kind, before[1].identity, before[2].kind), (slots::ROOT, RUNNING, slots::VERITY));
    assert_eq!((before[1].offset, before[1].length), (disk::ROOT_A_AT, disk::ROOT_BYTES));
    let identity = uuid::Uuid::from_u128(0xfeed);
    let long = "é".repeat(NAME_UNITS + 5);
    table.rename(4, identity, "vallum_1.1.0");
    table.rename(5, uuid::Uuid::from_u128(7), &long);
    table.write(&mut medium).unwrap();
    let after = Table::read(&medium).unwrap().partitions();
    assert_eq!((after[3].identity, after[3].name.as_str()), (identity, "vallum_1.1.0"));
    assert_eq!(after[4].name, "é".repeat(NAME_UNITS));
    assert_eq!(after[..3], before[..3]);
    disk::judge(&medium);
    let seen = disk::as_sfdisk_sees(&medium);
    let part = &seen["partitiontable"]["partitions"][3];
    assert_eq!(
        (&part["name"], &part["uuid"]),
        (&"vallum_1.1.0".into(), &"00000000-0000-0000-0000-00000000FEED".into())
    );
}

#[test]
fn the_spare_copy_serves_when_the_first_is_damaged_and_mends_it() {
    for at in [SECTOR, SECTOR + 16, SECTOR + 60, 2 * SECTOR + 20] {
        let mut medium = disk::medium();
        let whole = Table::read(&medium).unwrap().partitions();
        disk::flip(&mut medium, at);
        let table = Table::read(&medium).unwrap();
        assert_eq!(table.partitions(), whole, "{at}");
        table.write(&mut medium).unwrap();
        disk::judge(&medium);
    }
}

#[test]
fn damage_of_both_copies_is_refused() {
    let last = disk::BYTES - SECTOR;
    for (first, spare) in [(SECTOR, last), (SECTOR + 24, last + 72), (2 * SECTOR, last - 10), (SECTOR + 80, last + 16)]
    {
        let mut medium = disk::medium();
        disk::flip(&mut medium, first);
        // The entries end where the header begins; the sums are over all of them.
        disk::flip(&mut medium, spare);
        assert!(matches!(Table::read(&medium), Err(GptError::Damaged { .. })), "{first} {spare}");
    }
    for bytes in [0, 100, 3 * SECTOR, 64 * SECTOR] {
        let empty = disk::blank(bytes);
        assert!(Table::read(&empty).is_err(), "{bytes}");
    }
}

#[test]
fn partitions_keep_out_of_the_tables() {
    let whole = disk::medium();
    let table = Table::read(&whole).unwrap();
    let last = disk::BYTES / SECTOR - 1;
    for (first, end, is_good) in [
        (34, 40, true),
        (33, 40, false),
        (0, 40, false),
        (400, last - 33, true),
        (400, last - 32, false),
        (400, u64::MAX, false),
    ] {
        let (mut medium, mut table) = (disk::medium(), table.clone());
        set_u64(&mut table.entries, 4 * ENTRY_BYTES + 32, first);
        set_u64(&mut table.entries, 4 * ENTRY_BYTES + 40, end);
        table.write(&mut medium).unwrap();
        assert_eq!(Table::read(&medium).is_ok(), is_good || end == u64::MAX, "{first} {end}");
        // One that has no length at all is no partition.
        assert!(end != u64::MAX || Table::read(&medium).unwrap().partitions().len() == 4);
    }
}

#[test]
fn a_header_that_lies_is_not_believed() {
    // The sum is right, the numbers are not.
    for (place, value) in
        [(at::ENTRY_COUNT, u32::MAX), (at::ENTRY_BYTES, 256), (at::HEADER_BYTES, 512), (at::ENTRIES, 1)]
    {
        let mut medium = disk::medium();
        for here in [FIRST_AT, disk::BYTES / SECTOR - 1] {
            let mut header = [0; HEADER_BYTES];
            medium.read_at(&mut header, here * SECTOR).unwrap();
            set_u32(&mut header, place, value);
            set_u32(&mut header, at::HEADER_SUM, 0);
            let sum = crc32(&header);
            set_u32(&mut header, at::HEADER_SUM, sum);
            medium.write_at(&header, here * SECTOR).unwrap();
        }
        assert!(matches!(Table::read(&medium), Err(GptError::Damaged { .. })), "{place}");
    }
}
