#[test]
fn tmp_peers() {
    use crate::harness::{peers::*, *};
    let n = Nginx::start("hello");
    let mut h = HaProxy::reserve();
    let up = Upstream::with(|s| {
        let mut b = [0; 28];
        let mut r = vec![];
        while r.len() < 28 {
            let n = s.read(&mut b)?;
            r.extend_from_slice(&b[..n]);
        }
        s.write(format!("{:?}", r))
    });
    h.forward(up.address, "127.0.0.9");
    let mut w = Wire::clear(h.address);
    w.send("x");
    println!("{}", String::from_utf8_lossy(&w.drain()));
    let p = Provider::start();
    println!("{} {}", p.issuer, n.url());
    let a = Wire::clear(p.issuer[7..].parse().unwrap())
        .ask("GET /.well-known/openid-configuration HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    println!("{}", a.text());
    let u = Upstream::echo();
    let mut w = Wire::clear(u.address);
    println!("{}", w.ask(vallum::get("h", "/x?y", "A: b\r\n")).text());
    println!("{}", w.ask(vallum::get("h", "/chunks/3/100", "A: b\r\n")).body.len());
}
