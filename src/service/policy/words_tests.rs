use proptest::prelude::*;

use super::*;

#[track_caller]
fn shown<T: FromStr<Err = Error> + fmt::Display>(text: &str) -> String {
    text.parse::<T>().map_or_else(|error| format!("! {error}"), |value| value.to_string())
}

#[test]
fn words_are_shown_as_they_are_best_written() {
    let days = [("mon,thu", "mon,thu"), ("Thu, MONDAY,mon", "mon,thu"), ("every", "every"), (" Every ", "every")];
    days.into_iter().for_each(|(text, expected)| assert_eq!(shown::<Days>(text), expected, "{text:?}"));
    assert_eq!(shown::<Days>("sun,mon,tue,wed,thu,fri,sat"), "every");
    let hours = [("14, 2,02", "2,14"), ("every", "every"), ("once", "once"), ("0", "0"), ("23", "23")];
    hours.into_iter().for_each(|(text, expected)| assert_eq!(shown::<Hours>(text), expected, "{text:?}"));
    let all = (0..24).map(|hour| hour.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(shown::<Hours>(&all), "every");
    let windows = [
        ("1:00 - 5:00", "01:00-05:00"),
        ("22:00-04:00", "22:00-04:00"),
        ("22:00-00:00", "22:00-24:00"),
        ("00:00-24:00", "00:00-24:00"),
        ("23:55-00:05", "23:55-00:05"),
    ];
    windows.into_iter().for_each(|(text, expected)| assert_eq!(shown::<Window>(text), expected, "{text:?}"));
    let zones = [("europe/paris", "Europe/Paris"), ("utc", "UTC"), (" Australia/Lord_Howe", "Australia/Lord_Howe")];
    zones.into_iter().for_each(|(text, expected)| assert_eq!(shown::<Zone>(text), expected, "{text:?}"));
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let check = |line: String, words: &str| {
        assert!(line.starts_with("! ") && line.contains(words) && !line.contains('\n'), "{line}");
    };
    for text in ["", "mo", "mon,", "monx", "mon thu", "1", "every,mon", "tu\nwed"] {
        check(shown::<Days>(text), "is no day");
    }
    for text in ["", "24", "-1", "2,", "+2", "2:00", "every,2", "1 2", "002", "२"] {
        check(shown::<Hours>(text), "is no hour");
    }
    for text in ["", "-", "01:00", "01:00-", "1-5", "01:00-25:00", "24:00-01:00", "01:60-02:00", "01:0-02:00", "a-b"] {
        check(shown::<Window>(text), "is no window");
    }
    for text in ["03:00-03:00", "03:00-03:09", "23:55-00:04", "00:00-00:05"] {
        check(shown::<Window>(text), "too short");
    }
    for text in ["", "Paris", "Europe/Nowhere", "../etc/passwd", "Etc/Unknown", "+01:00", "Europe/Paris\n\n"] {
        if text.trim() != "Europe/Paris" {
            check(shown::<Zone>(text), "is no time zone");
        }
    }
}

#[test]
fn a_window_is_open_from_its_begin_to_before_its_end() {
    let window: Window = "22:00-04:00".parse().unwrap();
    let open = |hour: i64, minute: i64| window.open_for(hour * 3600 + minute * 60);
    assert_eq!((open(21, 59), open(22, 0), open(3, 59), open(4, 0)), (None, Some(0), Some(21_540), None));
    assert_eq!(window.length(), 6 * 3600);
    let day: Window = "00:00-24:00".parse().unwrap();
    assert_eq!((day.open_for(0), day.open_for(86_399), day.length()), (Some(0), Some(86_399), 86_400));
}

proptest! {
    #[test]
    fn words_come_back(days in 1u8..0x80, hours in 1u32..0x100_0000, begin in 0u16..1440, len in 10u16..=1430) {
        let days = Days(days);
        prop_assert_eq!(days.to_string().parse::<Days>().unwrap(), days);
        let hours = if hours == Hours::ALL { Hours::Every } else { Hours::At(hours) };
        prop_assert_eq!(hours.to_string().parse::<Hours>().unwrap(), hours);
        let end = (begin + len) % 1440;
        let window = Window { begin, end: if end == 0 { 1440 } else { end } };
        prop_assert_eq!(window.to_string().parse::<Window>().unwrap(), window);
        prop_assert_eq!(window.length(), i64::from(len) * 60);
        let json = serde_json::to_string(&(days, hours, window)).unwrap();
        prop_assert_eq!(serde_json::from_str::<(Days, Hours, Window)>(&json).unwrap(), (days, hours, window));
    }

    #[test]
    fn nothing_that_is_typed_panics(text in "[ -~]{0,24}|\\PC{0,12}|[0-9:,-]{0,14}") {
        let _ = (text.parse::<Days>(), text.parse::<Hours>(), text.parse::<Window>(), text.parse::<Zone>());
        if let Ok(window) = text.parse::<Window>() {
            prop_assert_eq!(window.to_string().parse::<Window>().unwrap(), window);
        }
        if let Ok(hours) = text.parse::<Hours>() {
            prop_assert_eq!(hours.to_string().parse::<Hours>().unwrap(), hours);
        }
    }
}
