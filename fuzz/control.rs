//! A decoder with a bug, six steps deep: a fuzzer finds it only where it sees which of a program's branches are taken.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let [b'c', b'r', rest @ ..] = data
        && let [b'a', b's', b'h', b'!', ..] = rest
    {
        panic!("the control's bug");
    }
});
