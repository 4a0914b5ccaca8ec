//! What both planes stand on, and the servers of the control plane beside the main listener.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;

use super::report;
use super::sockets::{Group, Sockets};
use crate::control::admin::appliance::{Appliance, gauges::Gauges};
use crate::control::admin::{self, About, Office, ReloadRequest, mutual_tls};
use crate::control::config::Loaded;
use crate::control::health::{Health, probes};
use crate::control::plain::Secured;
use crate::control::{dns, identity, redirect, scrape};
use crate::link::feed::Feed;
use crate::link::{self, EdgeDoor};
use crate::plan::listener::Admin;
use crate::telemetry::logging::Ring;
use crate::telemetry::metrics::Catalogue;

pub struct Ground {
    /// Of the main listener.
    pub address: SocketAddr,
    pub metrics: Arc<Catalogue>,
    pub resolver: dns::Resolver,
    pub health: Arc<Health>,
    pub feed: Feed,
    appliance: Appliance,
}

impl Ground {
    /// Starts the control plane on the runtime that this is called on, with a first plan; the other end is the edge's door.
    pub async fn lay(loaded: Loaded, address: SocketAddr) -> anyhow::Result<(Ground, EdgeDoor)> {
        let metrics = Catalogue::new();
        let resolver = dns::Resolver::new(metrics.clone()).context("cannot set up name resolution")?;
        resolver.resolve(&loaded.plan).await;
        let (generation, checksum) = (loaded.plan.generation, loaded.plan.checksum);
        let (edge, control) = link::door(Arc::new(loaded.plan));
        let health = Arc::new(Health::new(control.board));
        metrics.config_adopted(generation, checksum);
        health.adopted(generation, checksum);
        identity::spawn(control.desk, control.portal, control.revocations);
        tokio::spawn(resolver.clone().keep_fresh(control.feed.clone()));
        let appliance = Appliance::of_environment();
        Ok((Ground { address, metrics, resolver, health, feed: control.feed, appliance }, edge))
    }

    /// Opens the listeners for those who scrape, who are sent to https, and who ask whether we live.
    pub fn serve_besides(&self, sockets: &mut Sockets) -> anyhow::Result<()> {
        if let Some(group) = sockets.metrics.take() {
            let updates = Gauges::register(self.appliance.clone(), &self.metrics)?;
            let before = before_scrape(self.resolver.clone(), self.feed.clone(), updates);
            serve_metrics(group, self.metrics.clone(), before)?;
        }
        if let Some(group) = sockets.redirect.take() {
            serve_redirects(group, self.feed.clone(), self.address.port())?;
        }
        if let Some(group) = sockets.health.take() {
            serve_probes(group, self.health.clone())?;
        }
        Ok(())
    }

    /// Opens the operators' doors, on this machine and from afar; the reloads that are asked for there.
    pub fn serve_operators(
        &self,
        sockets: &mut Sockets,
        about: About,
        log: Ring,
        remote: Option<&Admin>,
    ) -> anyhow::Result<mpsc::Receiver<ReloadRequest>> {
        let (reloads, requests) = mpsc::channel(admin::RELOADS_MAX);
        let office = Arc::new(Office {
            about,
            health: self.health.clone(),
            feed: self.feed.clone(),
            log,
            reloads,
            environment: report::environment(),
            appliance: self.appliance.clone(),
        });
        if let Some((path, socket)) = sockets.admin.take() {
            serve_admin(&path, socket, office.clone())?;
        }
        if let (Some(group), Some(admin)) = (sockets.remote.take(), remote) {
            serve_remote_admin(group, admin, office)?;
        }
        Ok(requests)
    }
}

/// Gauges that are asked for, not counted.
fn before_scrape(resolver: dns::Resolver, feed: Feed, updates: Gauges) -> scrape::BeforeScrape {
    Arc::new(move || {
        resolver.report(&feed.current());
        updates.refresh();
    })
}

fn serve_metrics(group: Group, metrics: Arc<Catalogue>, before: scrape::BeforeScrape) -> anyhow::Result<()> {
    let listener = listening(group)?;
    tokio::spawn(async move { scrape::serve(listener, metrics, before).await });
    Ok(())
}

fn serve_probes(group: Group, health: Arc<Health>) -> anyhow::Result<()> {
    let listener = listening(group)?;
    tokio::spawn(async move { probes::serve(listener, health).await });
    Ok(())
}

fn serve_admin(path: &Path, socket: UnixListener, office: Arc<Office>) -> anyhow::Result<()> {
    let listener = tokio::net::UnixListener::from_std(socket)?;
    tracing::info!(listener = "admin socket", path = %path.display(), "listening");
    tokio::spawn(async move { admin::serve(listener, office).await });
    Ok(())
}

fn serve_remote_admin(group: Group, admin: &Admin, office: Arc<Office>) -> anyhow::Result<()> {
    let acceptor = mutual_tls::acceptor(office.feed.clone(), &admin.authorities)?;
    let entrance = Secured::new(listening(group)?, acceptor);
    tokio::spawn(async move { admin::serve(entrance, office).await });
    Ok(())
}

fn serve_redirects(group: Group, feed: Feed, main_port: u16) -> anyhow::Result<()> {
    let listener = listening(group)?;
    tokio::spawn(async move { redirect::serve(listener, feed, main_port).await });
    Ok(())
}

/// The socket of a server of the control plane; the log says where it is.
fn listening(group: Group) -> anyhow::Result<tokio::net::TcpListener> {
    let (role, address) = (group.role, group.address()?);
    let listener = group.into_async()?;
    tracing::info!(listener = role.listener(), %address, "listening");
    Ok(listener)
}
