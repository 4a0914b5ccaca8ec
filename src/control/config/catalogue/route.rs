//! The keys of a route.

use super::{Key, State, later, old, refused, removed, used};

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    // Matching and target.
    used("name"), used("from"), used("to"), used("prefix"), used("path"), used("regex"), used("preserve_host_header"),
    Key { name: "description", state: State::Used }, Key { name: "logo_url", state: State::Used },
    Key { name: "id", state: State::Used },
    used("redirect"), used("response"), later("regex_priority_order"), used("prefix_rewrite"),
    used("regex_rewrite_pattern"), used("regex_rewrite_substitution"), used("host_rewrite"),
    used("host_rewrite_header"), used("host_path_regex_rewrite_pattern"), used("host_path_regex_rewrite_substitution"),
    Key { name: "load_balancing_policy", state: State::Later(&["round_robin"]) }, later("outlier_detection"),
    later("health_checks"), later("healthy_panic_threshold"), later("circuit_breaker_thresholds"),
    later("depends_on"),
    // Access.
    used("policy"), used("allowed_users"), used("allowed_domains"), used("allowed_idp_claims"),
    used("allow_public_unauthenticated_access"), used("allow_any_authenticated_user"), used("cors_allow_preflight"),
    used("show_error_details"),
    used("sub_policies"), refused("idp_client_id"), refused("idp_client_secret"),
    later("idp_access_token_allowed_audiences"),
    Key { name: "bearer_token_format", state: State::Refused(&["default"]) }, refused("identity_providers"),
    used("tls_downstream_client_ca"), used("tls_downstream_client_ca_file"), used("mcp"),
    refused("upstream_tunnel"), later("session_recording"),
    // Limits (ours).
    used("max_request_body_bytes"),
    // Upstream connection and header fields.
    used("timeout"), used("allow_websockets"), used("tls_skip_verify"), used("tls_server_name"),
    used("tls_upstream_server_name"), used("tls_custom_ca"), used("tls_custom_ca_file"), used("set_request_headers"),
    used("remove_request_headers"), used("set_response_headers"), used("pass_identity_headers"),
    used("idle_timeout"), used("allow_spdy"), used("allow_upgrades"), used("rewrite_response_headers"),
    refused("tls_downstream_server_name"),
    used("tls_client_cert"), used("tls_client_cert_file"), used("tls_client_key"), used("tls_client_key_file"), later("tls_upstream_allow_renegotiation"), later("jwt_groups_filter"),
    Key { name: "jwt_issuer_format", state: State::Later(&["issuerhostonly", "hostonly", "issuer_host_only"]) },
    refused("kubernetes_service_account_token"), refused("kubernetes_service_account_token_file"),
    refused("enable_google_cloud_serverless_authentication"),
    // Older and removed.
    old("lb_config"),
    removed("allowed_groups", "write `policy: [{ allow: { or: [{ groups: NAME }] } }]`, or `claim/groups: NAME` where the provider tells groups as a claim"),
    removed("set_authorization_header", "set `Authorization` with `set_request_headers`"),
];
