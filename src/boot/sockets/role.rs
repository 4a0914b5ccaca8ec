//! What a socket is for.

/// One listener of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `address`: clients.
    Main,
    /// `http_redirect_addr`.
    Redirect,
    /// `metrics_address`.
    Metrics,
    /// `health_check_addr`.
    Health,
    /// `admin_address`.
    Admin,
}

impl Role {
    const ALL: [Role; 5] = [Role::Main, Role::Redirect, Role::Metrics, Role::Health, Role::Admin];

    /// `FileDescriptorName=` in its socket unit.
    pub fn name(self) -> &'static str {
        match self {
            Role::Main => "https",
            Role::Redirect => "redirect",
            Role::Metrics => "metrics",
            Role::Health => "health",
            Role::Admin => "admin",
        }
    }

    /// Its name in the service manager's store: sockets that the process bound itself.
    pub fn kept_name(self) -> String {
        format!("kept-{}", self.name())
    }

    /// The key that says where it listens.
    pub fn key(self) -> &'static str {
        match self {
            Role::Main => "address",
            Role::Redirect => "http_redirect_addr",
            Role::Metrics => "metrics_address",
            Role::Health => "health_check_addr",
            Role::Admin => "admin_address",
        }
    }

    /// Its name in the log.
    pub fn listener(self) -> &'static str {
        match self {
            Role::Main => "main",
            role => role.name(),
        }
    }

    /// Every name that a socket unit may use, for a message.
    pub fn names() -> String {
        Role::ALL.map(Role::name).join(", ")
    }
}
