//! Networks of this machine alone: namespaces with wires between them, routers that translate
//! addresses, links that can be cut.
//!
//! All of it goes with the [`Lab`]. It takes root and the program `ip`; a router that translates takes
//! `nft` and a kernel with it. Where one of these is missing a test says so and ends.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// Namespaces made for one test.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    spaces: Vec<String>,
    wires: u32,
}

/// A namespace: a machine, as far as its network is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space(String);

impl Space {
    /// The file that stands for it.
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.0)
    }
}

/// Runs a program, which must succeed.
fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let shown = format!("{program} {}", words.join(" "));
    let done = Command::new(program).args(words).output();
    let done = done.map_err(|error| format!("`{shown}`: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("`{shown}`: {}", said.trim()))
}

impl Lab {
    /// An empty lab; none, and a line that says why, where namespaces are not allowed.
    pub fn new(test: &str) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut lab = Self {
            prefix: format!("comity-{}-{number}", std::process::id()),
            spaces: Vec::new(),
            wires: 0,
        };
        match lab.add("try") {
            Ok(_) => Some(lab),
            Err(why) => {
                eprintln!("SKIPPED {test}: network namespaces cannot be made here: {why}");
                None
            }
        }
    }

    fn add(&mut self, name: &str) -> Result<Space, String> {
        let full = format!("{}-{name}", self.prefix);
        run("ip", &["netns", "add", &full])?;
        self.spaces.push(full.clone());
        run("ip", &["-n", &full, "link", "set", "lo", "up"])?;
        Ok(Space(full))
    }

    /// A machine without a wire.
    ///
    /// # Panics
    /// If it cannot be made, though the lab could.
    pub fn space(&mut self, name: &str) -> Space {
        self.add(name).unwrap()
    }

    /// Connects two machines; each gets its address, like `10.0.1.1/24`. Gives the names of both ends.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn wire(&mut self, [one, other]: [(&Space, &str); 2]) -> [Wire; 2] {
        self.wires += 1;
        let ends = ["a", "b"].map(|end| format!("w{}{end}", self.wires));
        let [first, second] = &ends;
        let both = [
            "-n", &one.0.0, "link", "add", first, "type", "veth", "peer", "name", second, "netns",
            &other.0.0,
        ];
        run("ip", &both).unwrap();
        let [first, second] = ends;
        [(one, first), (other, second)].map(|((space, address), name)| {
            run(
                "ip",
                &["-n", &space.0, "addr", "add", address, "dev", &name],
            )
            .unwrap();
            let wire = Wire {
                space: space.clone(),
                name,
            };
            wire.heal();
            wire
        })
    }

    /// Makes a machine pass on what is not for it.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn forward(&self, space: &Space) {
        let net = format!("--net={}", space.path());
        let on = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        run("nsenter", &[&net, "sh", "-c", on]).unwrap();
    }

    /// Makes a machine a home router: what goes out by `outside` gets that address, and from outside
    /// only answers come in. False, and a line that says why, where the kernel cannot.
    pub fn translate(&self, test: &str, space: &Space, outside: &Wire) -> bool {
        let name = &outside.name;
        let net = format!("--net={}", space.path());
        let nft = |rules: &str| run("nsenter", &[&net, "nft", rules]);
        let out = "table ip home {\nchain out {\ntype nat hook postrouting priority 100\n}\n}";
        if let Err(why) = nft(out) {
            eprintln!("SKIPPED {test}: no router that translates addresses here: {why}");
            return false;
        }
        nft(&format!("add rule ip home out oifname {name} masquerade")).unwrap();
        for (hook, open) in [
            ("forward", format!("oifname {name}")),
            ("input", format!("iifname != {name}")),
        ] {
            let chain = format!("type filter hook {hook} priority 0; policy drop;");
            nft(&format!("add chain ip home {hook} {{ {chain} }}")).unwrap();
            let answers = "ct state established,related accept";
            nft(&format!("add rule ip home {hook} {answers}")).unwrap();
            nft(&format!("add rule ip home {hook} {open} accept")).unwrap();
        }
        true
    }

    /// Sends what a machine does not know to `router`.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn default_route(&self, space: &Space, router: &str) {
        let route = ["-n", &space.0, "route", "add", "default", "via", router];
        run("ip", &route).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for space in &self.spaces {
            // Nothing better can be done about one that stays.
            let _ = run("ip", &["netns", "del", space]);
        }
    }
}

/// One end of a connection between two machines.
#[derive(Debug, Clone)]
pub struct Wire {
    space: Space,
    name: String,
}

impl Wire {
    fn set(&self, state: &str) {
        let words = ["-n", &self.space.0, "link", "set", &self.name, state];
        run("ip", &words).unwrap();
    }

    /// Cuts it: nothing comes through, and neither side is told.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn cut(&self) {
        self.set("down");
    }

    /// Joins it again. Routes through it are lost.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn heal(&self) {
        self.set("up");
    }

    /// Moves it to another address: the first is taken away.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn readdress(&self, from: &str, to: &str) {
        let space = &self.space.0;
        // In this order: an address added beside another would go with it.
        run("ip", &["-n", space, "addr", "del", from, "dev", &self.name]).unwrap();
        run("ip", &["-n", space, "addr", "add", to, "dev", &self.name]).unwrap();
    }
}
