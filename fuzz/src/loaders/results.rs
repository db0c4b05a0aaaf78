//! Results in JSON that know whether they were altered. What is read as an object keeps its meaning when it is sealed, and is then read again.

use super::texts;
use crate::check;
use upg_experiments::io::results::{open, seal};

pub fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(mut object) = check(open("summary.json".as_ref(), text)).filter(serde_json::Value::is_object) else {
        return;
    };
    let mut again = check(open("summary.json".as_ref(), &seal(object.clone()))).expect("it was just sealed");
    for object in [&mut object, &mut again] {
        object.as_object_mut().expect("it is one").remove("checksum");
    }
    assert_eq!(again, object);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let sealed = |text: &str| seal(serde_json::from_str(text).expect("a result"));
    let results: Vec<_> = include_str!("../../seeds/results.jsonl").lines().map(sealed).collect();
    texts(results.into_iter().chain([sealed("{\"value\":2.5}"), "{\"value\":[1,null,\"a\"]}".to_owned()]))
}
