//! Needs no cluster: checks the basis of the other tests here, and fetches the binaries of Postgres while there is a
//! network. (Only Linux has further loopback addresses without setup.)

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
