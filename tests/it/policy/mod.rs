//! What policies do to requests: statuses and bodies for each kind of client, messages to MCP servers, devices.

mod allocations;
mod clients;
mod devices;
mod mcp;
