//! The tools that can stand beside, each as a few commands: what is known of them is here and nowhere else.
//!
//! Words in braces stand for paths: `{data}`, `{repo}`, `{out}`, `{home}`, `{cache}`; `{password}` is given by the
//! environment alone. A tool sees no other environment than this, a home of its own and `PATH`, so that neither its
//! user's repositories nor caches nor settings are touched. All of them encrypt.

/// A tool.
#[derive(Debug)]
pub struct Peer {
    /// Its name, and its program's.
    pub name: &'static str,
    /// How it is set, for people.
    pub(super) settings: &'static str,
    /// Arguments that make it say its version.
    pub(super) version: &'static [&'static str],
    /// Its environment.
    pub(super) environment: &'static [(&'static str, &'static str)],
    /// Commands that make a repository; not timed.
    pub(super) prepare: &'static [&'static [&'static str]],
    /// A snapshot of the folder that it is run in.
    pub(super) first: &'static [&'static str],
    /// Another one.
    pub(super) again: &'static [&'static str],
    /// Brings the last one back into `{out}`, which is the folder that it is run in.
    pub(super) restore: &'static [&'static str],
}

/// This program, as a process like the others.
pub(super) const SNAPHOLD: Peer = Peer {
    name: "snaphold",
    settings: "AES-256-GCM under a passphrase, default compression",
    version: &["--version"],
    environment: &[("SNAPHOLD_REPO", "{repo}"), ("SNAPHOLD_PASSPHRASE", "{password}")],
    prepare: &[&["init", "--quiet"], &["instance", "add", "bench", "--source", "files:{data}", "--quiet"]],
    first: &["snapshot", "take", "bench", "--quiet"],
    again: &["snapshot", "take", "bench", "--quiet"],
    restore: &["restore", "latest", "--to", "{out}", "--quiet"],
};

/// The tools that `--against` knows.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "restic",
        settings: "--compression auto",
        version: &["version"],
        environment: &[
            ("RESTIC_REPOSITORY", "{repo}"),
            ("RESTIC_PASSWORD", "{password}"),
            ("RESTIC_CACHE_DIR", "{cache}"),
        ],
        prepare: &[&["init", "--quiet", "--repository-version", "2"]],
        first: &["backup", "--quiet", "--compression", "auto", "."],
        again: &["backup", "--quiet", "--compression", "auto", "."],
        restore: &["restore", "latest", "--quiet", "--target", "{out}"],
    },
    Peer {
        name: "borg",
        settings: "repokey, zstd,3",
        version: &["--version"],
        environment: &[
            ("BORG_REPO", "{repo}"),
            ("BORG_PASSPHRASE", "{password}"),
            ("BORG_BASE_DIR", "{home}"),
            ("BORG_CACHE_DIR", "{cache}"),
        ],
        prepare: &[&["init", "--encryption", "repokey"]],
        first: &["create", "--compression", "zstd,3", "::first", "."],
        again: &["create", "--compression", "zstd,3", "::again", "."],
        restore: &["extract", "::again"],
    },
    Peer {
        name: "rustic",
        settings: "its defaults (zstd)",
        version: &["--version"],
        environment: &[
            ("RUSTIC_REPOSITORY", "{repo}"),
            ("RUSTIC_PASSWORD", "{password}"),
            ("RUSTIC_CACHE_DIR", "{cache}"),
        ],
        prepare: &[&["init", "--no-progress"]],
        first: &["backup", "--no-progress", "."],
        again: &["backup", "--no-progress", "."],
        restore: &["restore", "--no-progress", "latest", "{out}"],
    },
    Peer {
        name: "kopia",
        settings: "--compression=zstd",
        version: &["--version"],
        environment: &[
            ("KOPIA_PASSWORD", "{password}"),
            ("KOPIA_CONFIG_PATH", "{home}/kopia.config"),
            ("KOPIA_CACHE_DIRECTORY", "{cache}"),
            ("KOPIA_LOG_DIR", "{home}/logs"),
            ("KOPIA_CHECK_FOR_UPDATES", "false"),
            ("KOPIA_PERSIST_CREDENTIALS_ON_CONNECT", "false"),
        ],
        prepare: &[
            &["repository", "create", "filesystem", "--path", "{repo}", "--no-progress"],
            &["policy", "set", "--global", "--compression=zstd", "--no-progress"],
        ],
        first: &["snapshot", "create", "--no-progress", "{data}"],
        again: &["snapshot", "create", "--no-progress", "{data}"],
        restore: &["restore", "--no-progress", "{data}", "{out}"],
    },
];
