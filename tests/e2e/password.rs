//! Without a cluster: what every other test here relies on, and it brings the binaries of Postgres along, for which there is no network
//! later. (Another address of the loopback is there without being set up on Linux only.)

#[cfg(target_os = "linux")]
#[test]
fn database_for_pods_requires_its_password() {
    let address = "127.0.0.2";
    let server = super::cluster::own_server(address);
    let connect = |password: &str| {
        let port = server.port();
        let url = format!("postgres://postgres:{password}@{address}:{port}/postgres?sslmode=disable");
        postgres::Client::connect(&url, postgres::NoTls)
    };
    assert!(connect("postgres").is_ok());
    assert!(connect("wrong").is_err());
}
