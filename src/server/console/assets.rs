//! Style, scripts and icons. They are in the program itself, and a file's address changes with its content, so that a
//! browser may keep it for good.

use std::sync::LazyLock;

/// How long a browser may keep an asset: its address changes when it does.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// Scripts and styles come from here alone; nothing is written into a page, nothing is fetched from elsewhere.
pub const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const FOLDER: &str = "/console/assets/";

/// A file that pages refer to.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    /// Its media type.
    pub media: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
    /// The last part of its address: its name with a part of its content's hash.
    pub file: String,
}

impl Asset {
    fn new(name: &'static str, media: &'static str, text: &'static str) -> Self {
        let hash = blake3::hash(text.as_bytes()).to_hex();
        let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
        let file = format!("{stem}-{}.{extension}", hash.chars().take(12).collect::<String>());
        Self { name, media, bytes: text.as_bytes(), file }
    }
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    [
        Asset::new("console.css", "text/css; charset=utf-8", include_str!("assets/console.css")),
        Asset::new("console.js", SCRIPT, include_str!("assets/console.js")),
        Asset::new("htmx.js", SCRIPT, include_str!("assets/htmx.js")),
        Asset::new("favicon.svg", "image/svg+xml", include_str!("assets/favicon.svg")),
        Asset::new("icons.svg", "image/svg+xml", include_str!("assets/icons.svg")),
    ]
});

/// The asset of such a file name, as [`href`] gives it.
pub fn find(file: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.file == file)
}

/// The address of an asset by its own name.
pub fn href(name: &str) -> String {
    let file = ASSETS.iter().find(|asset| asset.name == name).map_or(name, |asset| &asset.file);
    format!("{FOLDER}{file}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_is_found_by_the_address_that_pages_have() {
        for asset in ASSETS.iter() {
            let address = href(asset.name);
            let found = find(address.strip_prefix(FOLDER).unwrap()).unwrap();
            assert_eq!(found.bytes, asset.bytes);
        }
        assert!(find("console.css").is_none());
    }
}
