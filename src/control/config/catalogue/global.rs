//! The keys at the top of the file (Pomerium's global options, and ours).

use super::{Key, State, later, old, refused, removed, used};

const fn only(name: &'static str, values: &'static [&'static str]) -> Key {
    Key { name, state: State::Later(values) }
}

const fn must(name: &'static str, values: &'static [&'static str]) -> Key {
    Key { name, state: State::Refused(values) }
}

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    // Installation, services, logs.
    used("shared_secret"), used("shared_secret_file"), used("services"), used("log_level"), used("proxy_log_level"),
    later("installation_id"), later("access_log_fields"), later("authorize_log_fields"), later("debug_address"),
    later("runtime_flags"), later("branding"),
    // Listeners and TLS.
    used("address"), used("insecure_server"), used("use_proxy_protocol"), used("proxy_protocol_trusted_cidrs"),
    used("workers"), used("timeout_read"), used("timeout_write"), used("timeout_idle"), used("certificates"),
    used("certificate"), used("certificate_file"), used("certificate_key"), used("certificate_key_file"),
    used("normalize_path"), used("merge_slashes"), used("path_with_escaped_slashes_action"),
    used("set_response_headers"), used("default_upstream_timeout"),
    used("codec_type"), used("headers_with_underscores_action"),
    used("http_redirect_addr"), later("grpc_address"), later("grpc_insecure"), later("grpc_client_timeout"),
    later("certificate_authority"), later("certificate_authority_file"), later("override_certificate_name"),
    later("tls_derive"), refused("autocert"), later("autocert_ca"), later("autocert_email"),
    later("autocert_use_staging"), later("autocert_eab_key_id"), later("autocert_eab_mac_key"),
    later("autocert_must_staple"), later("autocert_dir"), later("autocert_trusted_ca"),
    later("autocert_trusted_ca_file"), used("downstream_mtls.ca"), used("downstream_mtls.ca_file"),
    used("downstream_mtls.crl"), used("downstream_mtls.crl_file"), used("downstream_mtls.enforcement"),
    used("downstream_mtls.match_subject_alt_names"), used("downstream_mtls.max_verify_depth"),
    used("skip_xff_append"), used("xff_num_trusted_hops"), used("allow_upgrades"),
    later("envoy_dynamic_extensions"), later("envoy_admin_address"), later("envoy_admin_access_log_path"),
    later("envoy_admin_profile_path"), later("envoy_bind_config_source_address"),
    later("envoy_bind_config_freebind"), later("circuit_breaker_thresholds.max_connections"),
    later("circuit_breaker_thresholds.max_pending_requests"), later("circuit_breaker_thresholds.max_requests"),
    later("circuit_breaker_thresholds.max_retries"), later("circuit_breaker_thresholds.max_connection_pools"),
    // Limits, all of them ours.
    used("max_connections"), used("max_connections_per_source"), used("max_request_body_bytes"),
    used("min_request_body_rate"), used("timeout_head"), used("timeout_ping"), used("coalesce_us"), used("drain_notice"),
    used("admin_socket"), used("admin_address"), used("admin_client_ca_file"),
    // URLs, cookies, identity provider.
    used("authenticate_service_url"), used("signout_redirect_url"), used("cookie_name"), used("cookie_secret"),
    used("cookie_secret_file"), used("cookie_domain"), used("cookie_http_only"), used("cookie_expire"),
    used("cookie_same_site"), used("idp_provider"), used("idp_client_id"), used("idp_client_secret"),
    used("idp_client_secret_file"), used("idp_provider_url"), used("idp_scopes"), used("idp_request_params"),
    used("programmatic_redirect_domain_whitelist"), used("signing_key"), used("signing_key_file"),
    used("jwt_claims_headers"), used("pass_identity_headers"),
    later("authenticate_internal_service_url"), later("authorize_service_url"), later("authorize_service_urls"),
    later("authorize_internal_service_url"), later("idp_access_token_allowed_audiences"),
    refused("identity_providers"), must("bearer_token_format", &["default"]), later("jwt_groups_filter"),
    only("jwt_issuer_format", &["issuerhostonly", "hostonly", "issuer_host_only"]),
    later("google_cloud_serverless_authentication_service_account"), later("mcp_allowed_client_id_domains"),
    later("mcp_allowed_as_metadata_domains"),
    // Databroker.
    later("databroker_service_url"), later("databroker_service_urls"), later("databroker_internal_service_url"),
    used("databroker_storage_type"), later("databroker_storage_connection_string"),
    later("databroker_storage_connection_string_file"), later("databroker_cluster_nodes"),
    later("databroker_cluster_node_id"), later("databroker_cluster_leader_id"), later("databroker_raft_bind_address"),
    // Names of upstreams.
    later("dns_lookup_family"), later("dns_refresh_rate"), later("dns_failure_refresh_rate"),
    later("dns_query_timeout"), later("dns_query_tries"), later("dns_udp_max_queries"), later("dns_use_tcp"),
    later("dns_resolvers"),
    // Observability.
    used("metrics_address"), refused("metrics_basic_auth"), refused("metrics_certificate"),
    refused("metrics_certificate_file"), refused("metrics_certificate_key"), refused("metrics_certificate_key_file"),
    refused("metrics_client_ca"), refused("metrics_client_ca_file"), used("health_check_addr"),
    only("health_check_systemd_disabled", &["false", "true"]), only("otel_traces_exporter", &["none"]),
    later("otel_exporter_otlp_endpoint"), later("otel_exporter_otlp_traces_endpoint"),
    later("otel_exporter_otlp_protocol"), later("otel_exporter_otlp_traces_protocol"),
    later("otel_exporter_otlp_headers"), later("otel_exporter_otlp_traces_headers"),
    later("otel_exporter_otlp_timeout"), later("otel_exporter_otlp_traces_timeout"), later("otel_traces_sampler_arg"),
    later("otel_resource_attributes"), later("otel_log_level"), later("otel_attribute_value_length_limit"),
    later("otel_bsp_schedule_delay"), later("otel_bsp_max_export_batch_size"),
    // SSH and the rest.
    later("ssh_address"), later("ssh_host_key_files"), later("ssh_host_keys"), later("ssh_user_ca_key_file"),
    later("ssh_user_ca_key"), later("ssh_rls_enabled"), later("ssh_rls_additional_entries"),
    later("session_recording_concurrency"), later("blob_storage.bucket_uri"), later("blob_storage.managed_prefix"),
    later("auto_apply_changesets"),
    // Routes.
    used("routes"), used("policy"),
    // Known to older releases only.
    old("audit_key"), old("authenticate_callback_path"), old("client_crl"), old("client_crl_file"),
    old("cookie_secure"), old("databroker_storage_ca_file"), old("databroker_storage_cert_file"),
    old("databroker_storage_key_file"), old("databroker_storage_tls_skip_verify"), old("forward_auth_url"),
    old("grpc_client_dns_roundrobin"), old("pomerium_debug"), old("administrators"), old("cache_service_url"),
    old("cache_store"), old("cache_store_address"), old("cache_store_password"), old("cache_store_path"),
    old("grpc_server_max_connection_age"), old("grpc_server_max_connection_age_grace"), old("refresh_cooldown"),
    old("timeout_read_header"), old("tracing_debug"), old("require_proxy_protocol"), old("signing_key_algorithm"),
    old("headers"), old("enable_user_impersonation"),
    // Removed.
    removed("client_ca", "write it as `downstream_mtls.ca`"),
    removed("client_ca_file", "write it as `downstream_mtls.ca_file`"),
    removed("idp_service_account", "groups no longer come from the identity provider's directory; use claims"),
    removed("idp_refresh_directory_timeout", "remove it"), removed("idp_refresh_directory_interval", "remove it"),
    removed("idp_qps", "remove it"), removed("tracing_provider", "use the `otel_` options"),
    removed("tracing_sample_rate", "use `otel_traces_sampler_arg`"),
    removed("tracing_datadog_address", "use the `otel_` options"),
    removed("tracing_jaeger_collector_endpoint", "use the `otel_` options"),
    removed("tracing_jaeger_agent_endpoint", "use the `otel_` options"),
    removed("tracing_zipkin_endpoint", "use the `otel_` options"),
];

/// The keys within `downstream_mtls`.
#[rustfmt::skip]
pub(super) const DOWNSTREAM_MTLS: &[Key] = &[
    used("ca"), used("ca_file"), used("crl"), used("crl_file"), used("enforcement"), used("match_subject_alt_names"),
    used("max_verify_depth"),
];
