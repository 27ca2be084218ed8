module shieldgate.test/http-server

go 1.24
