# Runs in a pod with bash: one connection held open, a request on it five times a second.
exec 3<>/dev/tcp/deathstar/80
for _ in $(seq 150); do
	printf 'POST /v1/request-landing HTTP/1.1\r\nHost: deathstar\r\nContent-Length: 0\r\n\r\n' >&3
	while read -r -t 2 -u 3 line; do
		case "$line" in
		HTTP/1.1*) echo "got $line" ;;
		"Ship landed"*) break ;;
		esac
	done
	sleep 0.2
done
