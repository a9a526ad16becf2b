use super::*;

const DUMP: &str = "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n--\n-- Host: localhost    Database: shop\n\
SET NAMES utf8mb4;\n\n--\n-- Sequence structure for `sq`\n--\n\nCREATE SEQUENCE `sq`;\n\n--\n-- Table structure for table `a/b``c`\n--\n\n\
CREATE TABLE `a/b``c` (\n  `id` int\n)\n PARTITION BY RANGE (`id`)\n(PARTITION `p0` VALUES LESS THAN (1));\n\n\
--\n-- Dumping data for table `a/b``c`\n--\n-- ORDER BY:  `id`\n\nINSERT INTO `a/b``c` VALUES\n(1),\n(2);\nINSERT INTO `a/b``c` VALUES\n(3);\n\
DELIMITER ;;\nCREATE TRIGGER x\n\n--\n-- Table structure for table `fake`\n--\n\nINSERT INTO `y` VALUES\n(1)\n;;\nDELIMITER ;\n\n\
--\n-- Temporary table structure for view `v`\n--\n\nCREATE VIEW `v`;\n\n\
--\n-- Dumping events for database 'shop'\n--\n\n--\n-- Dumping routines for database 'shop'\n--\n\n\
--\n-- Final view structure for view `v`\n--\n\nCREATE VIEW `v` AS SELECT 1;\n\
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n-- Dump completed\n";

/// Gives what it has in pieces of a length.
struct Trickle<'t>(&'t [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.1.min(self.0.len()).min(out.len());
        out[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

/// A part, its text, and how many rows it has.
type Taken = (Part, Vec<u8>, Option<u64>);

fn taken_apart(text: &[u8], piece: usize) -> (Vec<Taken>, bool) {
    let mut parts = Parts::new(Trickle(text, piece));
    let mut found = Vec::new();
    while let Some(part) = parts.next_part() {
        let mut bytes = Vec::new();
        parts.read_to_end(&mut bytes).unwrap();
        found.push((part, bytes, parts.rows()));
    }
    (found, parts.is_complete())
}

#[test]
fn a_dump_is_taken_apart_and_its_parts_are_all_of_it() {
    for piece in [1, 7, 64, 1 << 20] {
        let (found, complete) = taken_apart(DUMP.as_bytes(), piece);
        assert!(complete);
        let joined: Vec<u8> = found.iter().flat_map(|(_, bytes, _)| bytes.clone()).collect();
        assert_eq!(String::from_utf8(joined).unwrap(), DUMP);
        let names: Vec<String> = found.iter().map(|(part, ..)| part.line()).collect();
        let expected = ["begin", "sequence sq", "table a%2Fb`c", "stub v", "events", "routines", "view v", "end"]
            .map(String::from);
        assert_eq!(names, expected);
        assert_eq!(found[2].2, Some(3), "rows are counted, and neither partitions nor what stands in a body");
        assert!(found[2].1.starts_with(b"\n--\n-- Table structure"));
    }
}

#[test]
fn what_has_no_trailer_is_not_complete() {
    let (_, complete) = taken_apart(DUMP.strip_suffix("-- Dump completed\n").unwrap().as_bytes(), 100);
    assert!(!complete);
    let (found, complete) = taken_apart(b"", 100);
    assert!(!complete && found.len() == 1);
    assert!(ends_with_trailer(b"x\n-- Dump completed on 2024-01-01  1:02:03\n"));
    assert!(!ends_with_trailer(b"-- Dump completed\nDROP TABLE x;\n"));
}

#[test]
fn lines_of_any_length_pass() {
    let row = "x".repeat(3 * BUFFER);
    let text = DUMP.replace("(2);", &format!("(2),\n('{row}');"));
    let (found, complete) = taken_apart(text.as_bytes(), 1 << 20);
    assert!(complete);
    assert_eq!(found[2].2, Some(4));
    assert_eq!(found.iter().map(|(_, bytes, _)| bytes.len()).sum::<usize>(), text.len());
}

#[test]
fn a_dump_with_all_rows_on_one_line_has_uncounted_rows() {
    let text = "--\n-- Table structure for table `t`\n--\n\nINSERT INTO `t` VALUES (1),(2);\n";
    let (found, _) = taken_apart(text.as_bytes(), 100);
    assert_eq!(found[1].2, None);
}

#[test]
fn the_list_of_parts_is_read_as_it_was_written() {
    let (found, _) = taken_apart(DUMP.as_bytes(), 100);
    let order = Order(found.into_iter().map(|(part, _, rows)| PartRead { part, rows }).collect());
    let text = order.to_text();
    let mut again = Order::of_text(&text).unwrap();
    // Only a table's rows are kept.
    assert_eq!(again.to_text(), text);
    assert_eq!(again.0.remove(2), PartRead { part: Part::Table("a/b`c".into()), rows: Some(3) });
    assert!(Order::of_text("table a%zz\n").is_err() && Order::of_text("surprise\n").is_err());
    for name in ["a b", "%", "../x", ".hidden", "ü", "a\nb", "/"] {
        assert_eq!(name_of_file(&file_name(name)).as_deref(), Some(name));
        assert!(!file_name(name).contains(['/', ' ', '\n']) && !file_name(name).starts_with('.'));
    }
}
