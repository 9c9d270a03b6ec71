# The demo of ./run, which reads this file: two domains, Redis and the gateway as processes of their own, a walk through what
# they do, and the plugs that a person may pull meanwhile.

demo_directory=${DEMO_STATE:-var/demo}
demo_parts=(redis hcm dsp gateway) # in the order in which they start; they end in the reverse one
declare -A part_pid=()             # of those that run
redis_directory=                   # of its socket, whose path must be short
patient_system=urn:oid:1.3.6.1.4.1.21367.13.20.3000
patient_value=IHEBLUE-1001
hcm_home=2.999.20.30 # homeCommunityId of the hospitals' network
dsp_authority=2.999.20.45 # of the numbers by which the DSP knows patients
letter_class=http://loinc.org\|18842-5 # what hopital-nord shares with the DSP

# Ends all that the demo started, however it ends; waits, so that the ports are free when the prompt is back.
demo_end() {
	trap '' INT TERM HUP
	trap - EXIT
	local i
	# The gateway first: it may still need the domains for the requests in flight.
	part_end portal TERM
	for ((i = ${#demo_parts[@]} - 1; i >= 0; i--)); do
		part_end "${demo_parts[i]}" TERM
	done
	rm -f "$demo_directory"/*.pid "$demo_directory/requests" "$demo_directory"/reply.*
	[[ $redis_directory ]] && rm -rf "$redis_directory"
}

port_differs() { # variable, part, variable, part
	[[ ${part_port[$2]} != "${part_port[$4]}" ]] || die "$1 and $3 are both ${part_port[$2]}; they must differ"
}

port_check() { # variable, port
	[[ $2 =~ ^[1-9][0-9]{0,4}$ ]] && (($2 <= 65535)) || die "$1=$2 is not a port number (1 to 65535)"
	if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
		die "port $2 is already taken by another program; choose another one: $1=$(($2 < 65000 ? $2 + 1000 : $2 - 1000)) ./run"
	fi
}

# Starts one process of the demo and waits until it is ready: until it says itself that it listens, for at its port anybody
# may answer. It dies with this script, even by SIGKILL. False when it does not get ready.
part_start() { # part
	local log=$demo_directory/$1.log port=${part_port[$1]} begin i
	local command=(build/passerelle domain --config "$demo_directory/$1.yaml")
	case $1 in
	gateway) command=(build/passerelle serve --config "$demo_directory/$1.yaml") ;;
	redis) command=(redis-server --port 0 --unixsocket "$port" --unixsocketperm 700 --save "" --appendonly no) ;;
	esac
	begin=$(wc -c 2>/dev/null <"$log" || printf 0)
	setpriv --pdeathsig TERM "${command[@]}" >>"$log" 2>&1 </dev/null 7>&- 9>&- &
	part_pid[$1]=$!
	printf '%s\n' "$!" >"$demo_directory/$1.pid"
	for ((i = 0; i < 600; i++)); do
		kill -0 "${part_pid[$1]}" 2>/dev/null || break
		if [[ $1 == redis ]]; then
			[[ -S $port ]] && return 0
		else
			tail -c "+$((begin + 1))" "$log" | grep -q "\"http.listen\".*\"port\":$port\b" && return 0
		fi
		sleep 0.05
	done
	part_end "$1" KILL
	return 1
}

# Ends one process of the demo, if it runs, and waits for its end.
part_end() { # part, signal
	local pid=${part_pid[$1]-}
	unset "part_pid[$1]"
	rm -f "$demo_directory/$1.pid"
	[[ $pid ]] && kill "-$2" "$pid" 2>/dev/null
	[[ $pid ]] && wait "$pid" 2>/dev/null
	[[ $1 == redis && $redis_directory ]] && rm -f "$redis_directory/redis.sock"
	return 0
}

# Starts a part of a demo that is about to begin.
part_begin() { # part, what it is
	part_start "$1" && say "$2" && return 0
	tail -n 5 "$demo_directory/$1.log" >&2
	die "$1 did not start; its log is $demo_directory/$1.log"
}

# ---- pulling plugs -------------------------------------------------------------------------------------------------

# What another terminal asks for is done here, by the script that runs the demo: so the processes are its own, whoever asks.
plug_serve() { # verb, part
	case $1 in
	start)
		[[ ${part_pid[$2]-} ]] && kill -0 "${part_pid[$2]}" 2>/dev/null && printf 'ok %s runs already' "$2" && return 0
		part_end "$2" KILL
		part_start "$2" || { printf 'no %s did not start; its log is %s' "$2" "$demo_directory/$2.log" && return 0; }
		printf 'ok %s is ready again' "$2"
		;;
	stop | kill)
		[[ ${part_pid[$2]-} ]] || { printf 'ok %s was down already' "$2" && return 0; }
		part_end "$2" "$([[ $1 == stop ]] && printf TERM || printf KILL)"
		printf 'ok %s is down; plug it in again: ./run demo start %s' "$2" "$2"
		;;
	esac
}

# Serves plugs until the demo ends; ends it when a process of its own accord does.
plugs_serve() {
	local verb part token reply
	while true; do
		if read -r -t 1 -u 7 verb part token; then
			reply=$(mktemp "$demo_directory/answer.XXXXXX") || continue
			plug_serve "$verb" "$part" >"$reply"
			say "$(<"$reply")" | sed 's/^.. /  /'
			mv "$reply" "$demo_directory/reply.$token"
		fi
		for part in "${!part_pid[@]}"; do
			kill -0 "${part_pid[$part]}" 2>/dev/null ||
				die "$part ended by itself; see $demo_directory/$part.log"
		done
	done
}

# ./run demo stop|kill|start PART in another terminal: asks the running demo, and waits for what it says.
command_plug() { # verb, part...
	local token=$$.$RANDOM i reply
	(($# == 2)) && [[ " ${demo_parts[*]} " == *" $2 "* ]] || die "say which part to $1, one of: ${demo_parts[*]}"
	[[ -p $demo_directory/requests ]] || die "no demo is serving with the state in $demo_directory; start one: ./run demo"
	if (flock -n 9) 9<"$demo_directory/lock" 2>/dev/null; then
		die "no demo is running with the state in $demo_directory; start one: ./run demo"
	fi
	printf '%s %s %s\n' "$1" "$2" "$token" >"$demo_directory/requests"
	for ((i = 0; i < 1800; i++)); do
		[[ -e $demo_directory/reply.$token ]] && break
		[[ -p $demo_directory/requests ]] || die "the demo has ended"
		sleep 0.05
	done
	[[ -e $demo_directory/reply.$token ]] || die "the demo did not answer within 90 seconds; does its terminal say why?"
	reply=$(<"$demo_directory/reply.$token")
	rm -f "$demo_directory/reply.$token"
	[[ $reply == "ok "* ]] || die "${reply#no }"
	say "${reply#ok }"
}

# ---- the walk ------------------------------------------------------------------------------------------------------

# A fresh OID under the arc that is reserved for examples (2.999).
oid_new() {
	printf '2.999.20.%s.%s.%s' "$1" "$(date +%s%N)" "$$"
}

uuid_new() {
	local uuid
	read -r uuid </proc/sys/kernel/random/uuid
	printf '%s' "$uuid"
}

# Writes the letter with a fresh id, and the Bundle that publishes it.
documents_write() { # document OID
	local letter bundle hash now
	letter=$(<conf/demo/discharge-letter.xml) || die "conf/demo/discharge-letter.xml cannot be read"
	printf '%s\n' "${letter/2.999.20.1.1\"/$1\"}" >"$demo_directory/letter.xml"
	bundle=$(<conf/demo/provide-bundle.json) || die "conf/demo/provide-bundle.json cannot be read"
	now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	hash=$(sha1sum <"$demo_directory/letter.xml")
	hash=$(printf '%b' "$(sed 's/[^0-9a-f]//g; s/../\\x&/g' <<<"$hash")" | base64)
	bundle=${bundle//@NOW@/$now}
	bundle=${bundle//IHEBLUE-1001/$patient_value}
	bundle=${bundle//@SUBMISSION_SET_UUID@/$(uuid_new)}
	bundle=${bundle//@DOCUMENT_REFERENCE_UUID@/$(uuid_new)}
	bundle=${bundle//@BINARY_UUID@/$(uuid_new)}
	bundle=${bundle//@SUBMISSION_SET_OID@/$(oid_new 7)}
	bundle=${bundle//@DOCUMENT_OID@/$1}
	bundle=${bundle//\"size\": 0/\"size\": $(wc -c <"$demo_directory/letter.xml")}
	bundle=${bundle//@HASH@/$hash}
	bundle=${bundle//@DATA@/$(base64 -w 0 "$demo_directory/letter.xml")}
	printf '%s\n' "$bundle" >"$demo_directory/publish.json"
}

# Runs curl with the arguments, shows it as a command to copy, leaves the answer in the file and checks the status.
step() { # title, expected status, answer file, curl arguments...
	local title=$1 expected=$2 answer=$3 shown="curl -sS" argument status
	shift 3
	for argument; do
		case $argument in
		"Authorization: Bearer "*) shown+=" \"Authorization: Bearer \$(cat $demo_directory/$token_name.token)\"" ;;
		-*) shown+=" $argument" ;;
		*[!A-Za-z0-9/:.,@_=-]*) shown+=" '$argument'" ;;
		*) shown+=" $argument" ;;
		esac
	done
	say ""
	say "$title"
	say "  $shown"
	status=$(curl -sS --max-time 60 -o "$answer" -w '%{http_code} %{content_type} %{size_download} bytes' "$@") ||
		die "$title: no answer from the gateway (see $demo_directory/gateway.log)"
	say "  -> $status"
	if [[ $status != "$expected "* ]]; then
		head -c 2000 "$answer" >&2
		printf '\n' >&2
		die "$title: expected status $expected, got ${status%% *}"
	fi
}

# The value of the first JSON member with this name in a file: enough for ids and URLs, which hold no escapes.
json_first() { # member, file, start of the value
	grep -o "\"$1\" *: *\"$3[^\"]*\"" "$2" | sed -n '1s/.*"\([^"]*\)"$/\1/p'
}

round_trip() { # base URL
	local document_oid location attachment tasks
	document_oid=$(oid_new 1)
	tasks=$(tasks_list "$1") || exit 1
	documents_write "$document_oid"
	step "1. Publish a discharge letter for patient $patient_value (ITI-65 Provide Document Bundle)" \
		200 "$demo_directory/published.json" \
		-X POST -H "Content-Type: application/fhir+json" --data-binary "@$demo_directory/publish.json" "$1"
	location=$(json_first location "$demo_directory/published.json" ".*DocumentReference/")
	[[ $location ]] || die "the answer names no location of the DocumentReference; it is $demo_directory/published.json"
	say "  the entry is now $location"

	step "2. Find it again (ITI-67 Find Document References)" 200 "$demo_directory/found.json" \
		"$1/DocumentReference?patient.identifier=$patient_system%7C$patient_value&status=current&identifier=urn:ietf:rfc:3986%7Curn:oid:$document_oid"
	attachment=$(json_first url "$demo_directory/found.json" "http[^\"]*/Binary/")
	[[ $attachment ]] || die "the letter was published but not found; the answer is $demo_directory/found.json"
	say "  found, and the document is at $attachment"

	step "3. Retrieve the document (ITI-68 Retrieve Document)" 200 "$demo_directory/retrieved.xml" "$attachment"
	cmp "$demo_directory/letter.xml" "$demo_directory/retrieved.xml" >&2 ||
		die "the retrieved document is not the published one (letter.xml, retrieved.xml in $demo_directory)"
	say "  byte for byte the letter that was published ($demo_directory/letter.xml)"

	shared_step 4 "$1" "$tasks"
	both_networks 5 "$1"
	once_check "$document_oid"
}

# The names of the Tasks that the caller sees, page by page.
tasks_list() { # base URL, curl arguments...
	local url="$1/Task?_count=200" page=$demo_directory/tasks.json
	while [[ $url ]]; do
		curl -sS --max-time 60 -o "$page" "${@:2}" "$url" || die "the gateway does not tell its Tasks (see $demo_directory/gateway.log)"
		sed 's/"fullUrl"/\n&/g' "$page" | sed -n 's#^"fullUrl" *: *"[^"]*/\(Task/[^"]*\)".*#\1#p'
		url=$(sed -n 's/.*"relation" *: *"next" *, *"url" *: *"\([^"]*\)".*/\1/p' "$page")
	done
}

# What was published last is with the DSP too: the Task that was not there before says so.
shared_step() { # number of the step, base URL, the Tasks before, curl arguments...
	local i task status=requested answer=$demo_directory/task.json
	grep -q 'being shared with dsp' "$demo_directory/published.json" || die "the letter is not shared; the answer is $demo_directory/published.json"
	task=$(tasks_list "$2" "${@:4}" | grep -vxFf <(printf '%s\n' "$3") | tail -n 1) || true
	[[ $task ]] || die "there is no Task of the letter; the Tasks are $demo_directory/tasks.json"
	for ((i = 0; i < 300; i++)); do
		curl -sS --max-time 60 -o "$answer" "${@:4}" "$2/$task" || die "no answer from the gateway (see $demo_directory/gateway.log)"
		status=$(json_first status "$answer" "")
		[[ $status == requested || $status == in-progress ]] || break
		sleep 0.1
	done
	step "$1. The hospital shares its discharge letters with the DSP${secure:+, as the patient permits}; follow it there (Task)" 200 "$answer" "${@:4}" "$2/$task"
	grep -q '"share"' "$answer" && [[ $status == completed ]] || die "the letter did not reach the DSP; the answer is $answer"
	say "  the DSP has it (ITI-41), under its own number of the patient"
}

once_check() { # document OID
	(($(grep -o "\"masterIdentifier\":[^]]*\][^]]*\"urn:oid:$1\"" "$demo_directory/both.json" | wc -l) == 1)) ||
		die "the letter, which both have, is not there once; the answer is $demo_directory/both.json"
	say "  the letter, which both networks have, is there once"
}

# The record as a whole: what the hospitals share, and what the DSP has.
both_networks() { # number of the step, base URL, curl arguments...
	step "$1. See the whole record of the patient: the hospitals' (hcm) and the national one (dsp) in one answer" \
		200 "$demo_directory/both.json" "${@:3}" "$2/DocumentReference?patient.identifier=$patient_system%7C$patient_value&status=current&_count=200"
	grep -q '"title" *: *"Vaccination record"' "$demo_directory/both.json" && grep -q '"title" *: *"Discharge letter' "$demo_directory/both.json" ||
		die "the answer does not hold documents of both networks; it is $demo_directory/both.json"
	say "  $(grep -o "\"source\" *: *\"urn:oid:$hcm_home\"" "$demo_directory/both.json" | wc -l) of hcm, $(grep -o '"title" *: *"Vaccination record"' "$demo_directory/both.json" | wc -l) of dsp; each says where it comes from (meta.source)"
}

# Makes a token for one of the roles of the demo and keeps it in a file, to be used by hand too.
token_name=
token_make() { # name, arguments of passerelle token...
	token_name=$1
	(umask 077 && build/passerelle token --config "$demo_directory/gateway.yaml" "${@:2}" >"$demo_directory/$1.token") ||
		die "no token could be made for the $1"
	authorization="Authorization: Bearer $(<"$demo_directory/$1.token")"
}

# How many entries a searchset says it has in all.
total_check() { # expected total, answer file, what was expected
	grep -q "\"total\" *: *$1\b" "$2" || die "$3; the answer is $2"
}

# A patient hides a document, a doctor breaks the glass, the patient sees it.
trust_walk() { # base URL
	local document_oid search attachment authorization begun doctor=Dr-Anna-Exemple
	begun=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	document_oid=$(oid_new 1)
	documents_write "$document_oid"
	search="$1/DocumentReference?patient.identifier=$patient_system%7C$patient_value&status=current&identifier=urn:ietf:rfc:3986%7Curn:oid:$document_oid"
	step "1. Without a token nobody gets anything" 401 "$demo_directory/refused.json" "$search"

	token_make doctor --role doctor --user "$doctor"
	step "2. A doctor publishes a discharge letter for patient $patient_value (ITI-65)" 200 "$demo_directory/published.json" \
		-X POST -H "$authorization" -H "Content-Type: application/fhir+json" --data-binary "@$demo_directory/publish.json" "$1"
	step "3. The doctor finds it (ITI-67)" 200 "$demo_directory/found.json" -H "$authorization" "$search"
	total_check 1 "$demo_directory/found.json" "the doctor does not find the letter"
	attachment=$(json_first url "$demo_directory/found.json" "http[^\"]*/Binary/")
	token_make doctor --role doctor --user "$doctor"
	both_networks 4 "$1" -H "$authorization"
	portal_step 5 "$document_oid" "The other way round: a doctor at the DSP's portal, who knows the patient as DSP-${patient_value##*-}, finds the letter through this gateway (XCPD, XCA)" 1

	token_make patient --role patient --user "Jean Fantaisie" --patient "$patient_system|$patient_value"
	consent_write deny "\"data\": [{ \"meaning\": \"instance\",
          \"reference\": { \"type\": \"DocumentReference\", \"identifier\": { \"system\": \"urn:ietf:rfc:3986\", \"value\": \"urn:oid:$document_oid\" } } }]" >"$demo_directory/consent.json"
	step "6. The patient hides this letter from everybody (ITI-108: a Consent)" 201 "$demo_directory/consented.json" \
		-X POST -H "$authorization" -H "Content-Type: application/fhir+json" --data-binary "@$demo_directory/consent.json" "$1/Consent"

	token_make doctor --role doctor --user "$doctor"
	step "7. From now on the doctor does not find it" 200 "$demo_directory/hidden.json" -H "$authorization" "$search"
	total_check 0 "$demo_directory/hidden.json" "the doctor still finds the letter"
	step "8. Nor is there anything behind the address that the doctor still has" 404 "$demo_directory/hidden.json" \
		-H "$authorization" "$attachment"
	portal_step 9 "$document_oid" "Nor does the doctor at the DSP's portal" 0

	token_make emergency --role doctor --user "$doctor" --purpose BTG --reason "Unconscious in the emergency room"
	step "10. The patient is unconscious: the doctor breaks the glass, with a reason" 200 "$demo_directory/found.json" \
		-H "$authorization" "$search"
	total_check 1 "$demo_directory/found.json" "the doctor who breaks the glass does not find the letter"
	step "11. and reads it (ITI-68)" 200 "$demo_directory/retrieved.xml" -H "$authorization" "$attachment"
	cmp "$demo_directory/letter.xml" "$demo_directory/retrieved.xml" >&2 ||
		die "the retrieved document is not the published one (letter.xml, retrieved.xml in $demo_directory)"

	token_make patient --role patient --user "Jean Fantaisie" --patient "$patient_system|$patient_value"
	step "12. The patient looks who has looked since this walk began (ITI-81)" 200 "$demo_directory/seen.json" \
		-H "$authorization" "$1/AuditEvent?patient.identifier=$patient_system%7C$patient_value&date=ge$begun&_count=200"
	grep -q '"BTG"' "$demo_directory/seen.json" || die "the broken glass is not in the patient's log; it is $demo_directory/seen.json"
	say "  the broken glass is there: $(grep -o "\"$doctor\"" "$demo_directory/seen.json" | head -n 1) with purpose BTG"

	share_walk 13 "$1" "$doctor"
	hospitals_walk 16 "$1" "$doctor"
}

# Another patient lets the DSP have what the hospitals have, and the next letter goes there, too.
share_walk() { # number of the step, base URL, name of the doctor
	local document_oid authorization tasks patient_value=IHEBLUE-1003
	token_make patient3 --role patient --user "Marie Modele" --patient "$patient_system|$patient_value"
	consent_write permit '"actor": [{ "role": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP" }] },
          "reference": { "type": "Organization", "identifier": { "system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.20.40" } } }]' >"$demo_directory/consent.json"
	step "$1. Nobody has asked the first patient, so the DSP has not been given the letter. Patient $patient_value lets it have hers (a Consent that names it)" \
		201 "$demo_directory/consented.json" \
		-X POST -H "$authorization" -H "Content-Type: application/fhir+json" --data-binary "@$demo_directory/consent.json" "$2/Consent"
	document_oid=$(oid_new 1)
	documents_write "$document_oid"
	token_make doctor --role doctor --user "$3"
	tasks=$(tasks_list "$2" -H "$authorization") || exit 1
	step "$(($1 + 1)). The doctor publishes a discharge letter for patient $patient_value (ITI-65)" 200 "$demo_directory/published.json" \
		-X POST -H "$authorization" -H "Content-Type: application/fhir+json" --data-binary "@$demo_directory/publish.json" "$2"
	shared_step $(($1 + 2)) "$2" "$tasks" -H "$authorization"
}

# The two hospitals keep their documents in one registry: what is one's is shown to the other when the patient says so.
hospitals_walk() { # number of the step, base URL, name of the doctor
	local document_oid search authorization audit=$demo_directory/audit-hopital-sud.ndjson recorded=0 i patient_value=IHEBLUE-1004
	document_oid=$(oid_new 1)
	documents_write "$document_oid"
	search="$2/hopital-sud/DocumentReference?patient.identifier=$patient_system%7C$patient_value&status=current&identifier=urn:ietf:rfc:3986%7Curn:oid:$document_oid"
	token_make doctor --role doctor --user "$3"
	step "$1. A doctor of hopital-nord publishes a letter of that hospital for patient $patient_value (ITI-65)" 200 "$demo_directory/published.json" \
		-X POST -H "$authorization" -H "Content-Type: application/fhir+json" --data-binary "@$demo_directory/publish.json" "$2"
	token_make doctor-sud --tenant hopital-sud --role doctor --user Dr-Bruno-Exemple
	step "$(($1 + 1)). A doctor of hopital-sud does not find it, although it is in the registry that both use" 200 "$demo_directory/found.json" \
		-H "$authorization" "$search"
	total_check 0 "$demo_directory/found.json" "the doctor of the other hospital finds the letter"
	token_make patient4 --role patient --user "Luc Modele" --patient "$patient_system|$patient_value"
	consent_write permit '"actor": [{ "role": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP" }] },
          "reference": { "type": "Organization", "identifier": { "system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.20.200" } } }]' >"$demo_directory/consent.json"
	step "$(($1 + 2)). The patient lets the other hospital read what this one has (a Consent)" 201 "$demo_directory/consented.json" \
		-X POST -H "$authorization" -H "Content-Type: application/fhir+json" --data-binary "@$demo_directory/consent.json" "$2/Consent"
	token_make doctor-sud --tenant hopital-sud --role doctor --user Dr-Bruno-Exemple
	# The demos before this one are in there, too.
	[[ ! -e $audit ]] || recorded=$(wc -c <"$audit")
	step "$(($1 + 3)). Now the doctor of hopital-sud finds it" 200 "$demo_directory/found.json" -H "$authorization" "$search"
	total_check 1 "$demo_directory/found.json" "the doctor of the other hospital does not find the letter"
	for ((i = 0; i < 300; i++)); do
		grep -q '"documents of","valueString":"hopital-nord"' <(tail -c "+$((recorded + 1))" "$audit" 2>/dev/null) && break
		sleep 0.1
	done
	((i < 300)) || die "that another hospital's document was read is not recorded in $audit"
	say "  and hopital-sud's audit says that the document is of hopital-nord ($audit)"
	token_make patient4 --role patient --user "Luc Modele" --patient "$patient_system|$patient_value"
	step "$(($1 + 4)). The patient takes that back" 204 "$demo_directory/revoked.json" \
		-X DELETE -H "$authorization" "$2/Consent/$(json_first id "$demo_directory/consented.json" "")"
}

# Starts the gateway of the DSP's portal on a free port, which is left in portal_port.
portal_port=
portal_start() {
	local log=$demo_directory/portal.log i
	: >"$log"
	setpriv --pdeathsig TERM build/passerelle serve --config "$demo_directory/portal.yaml" >>"$log" 2>&1 </dev/null 7>&- 9>&- &
	part_pid[portal]=$!
	for ((i = 0; i < 600; i++)); do
		portal_port=$(sed -n 's/.*"http.listen".*"port":\([0-9]*\).*/\1/p' "$log")
		[[ $portal_port ]] && return
		kill -0 "${part_pid[portal]}" 2>/dev/null || break
		sleep 0.05
	done
	die "the portal's gateway did not start; its log is $log"
}

# What a doctor at the DSP's portal finds of one document. Its gateway runs for this step alone. Ours takes no assertion
# that is as old as its own memory of those that were used: then the portal comes with another one.
portal_step() { # number of the step, document OID, title, how many
	local i query authorization answer=$demo_directory/portal.json
	query="DocumentReference?patient.identifier=urn:oid:$dsp_authority%7CDSP-${patient_value##*-}&status=current&identifier=urn:ietf:rfc:3986%7Curn:oid:$2"
	token_name=portal
	(umask 077 && build/passerelle token --config "$demo_directory/portal.yaml" --role doctor --user Dr-Portail >"$demo_directory/portal.token") ||
		die "no token could be made for the portal"
	authorization="Authorization: Bearer $(<"$demo_directory/portal.token")"
	for ((i = 0; i < 30; i++)); do
		portal_start
		curl -sS --max-time 60 -o "$answer" -H "$authorization" "http://127.0.0.1:$portal_port/fhir/$query" && ! grep -q '"incomplete"' "$answer" && break
		part_end portal TERM
		sleep 1
	done
	step "$1. $3" 200 "$answer" -H "$authorization" "http://127.0.0.1:$portal_port/fhir/$query"
	total_check "$4" "$answer" "the portal does not find what it should"
	part_end portal TERM
}

# The Consent of a patient: what it permits and no more, or all but what it denies.
consent_write() { # deny or permit, and what: members of the provision
	local provision="\"type\": \"permit\", $2"
	[[ $1 == permit ]] || provision="\"type\": \"permit\", \"provision\": [{ \"type\": \"deny\", $2 }]"
	cat <<JSON
{
  "resourceType": "Consent",
  "status": "active",
  "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
  "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "INFA" }] }],
  "patient": { "identifier": { "system": "$patient_system", "value": "$patient_value" } },
  "dateTime": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
  "policy": [{ "uri": "urn:oid:2.999.20.30" }],
  "provision": { $provision }
}
JSON
}

command_demo() {
	local once= secure=
	while (($#)); do
		case $1 in
		start | stop | kill) command_plug "$@" && return 0 ;;
		--once) once=1 ;;
		--secure) secure=1 ;;
		*) die "demo knows --secure, --once, and start, stop and kill with a part; not \"$1\"" ;;
		esac
		shift
	done
	demo_open
	build_release "${demo_packages[@]}"
	files_write
	part_begin redis "Redis (decisions and cross-references, encrypted) on a private socket"
	part_begin hcm "XDS domain \"hcm\" (registry, repository, identities, consents) at http://127.0.0.1:${part_port[hcm]}"
	dsp_fill
	part_begin dsp "XDS domain \"dsp\" (the national record, a community of its own: XCA, XCPD) at http://127.0.0.1:${part_port[dsp]}"
	part_begin gateway "Gateway (FHIR R4, MHD) at http://127.0.0.1:${part_port[gateway]}/fhir"

	if [[ $secure ]]; then
		trust_walk "http://127.0.0.1:${part_port[gateway]}/fhir"
		say ""
		say "Tokens of the doctor and the patient are $demo_directory/*.token, good for an hour; more: build/passerelle token --config $demo_directory/gateway.yaml --role doctor"
		say "Every access is recorded in $demo_directory/audit-hopital-nord.ndjson and audit-hopital-sud.ndjson."
		say "Other communities reach the hospitals at http://127.0.0.1:${part_port[community]}/xca/hopital-nord (and /xcpd, and hopital-sud), with assertions."
	else
		round_trip "http://127.0.0.1:${part_port[gateway]}/fhir"
		say ""
		say "Published, found and retrieved."
	fi
	say "What is published stays in $demo_directory; logs are in $demo_directory/*.log."
	[[ $once ]] && return 0
	say "Serving until Ctrl-C. What the gateway can do: curl http://127.0.0.1:${part_port[gateway]}/fhir/metadata"
	say "Pull a plug in another terminal and watch: ./run demo stop hcm (or kill; then start). Parts: ${demo_parts[*]}"
	plugs_serve
}

# Takes the directory and the ports of the demo, and says how it ends.
demo_open() {
	local part
	declare -gA part_port=([gateway]=${GATEWAY_PORT:-8080} [hcm]=${HCM_PORT:-8081} [dsp]=${DSP_PORT:-8082} [community]=${COMMUNITY_PORT:-8083})
	port_differs GATEWAY_PORT gateway HCM_PORT hcm
	port_differs GATEWAY_PORT gateway DSP_PORT dsp
	port_differs HCM_PORT hcm DSP_PORT dsp
	[[ ! $secure ]] || for part in gateway hcm dsp; do
		port_differs COMMUNITY_PORT community "${part^^}_PORT" $part
	done
	mkdir -p "$demo_directory/data" "$demo_directory/dsp-data" 2>/dev/null && [[ -w $demo_directory ]] || die "cannot write to $demo_directory; copy the project to a directory of your own, or name one for the demo's state: DEMO_STATE=DIRECTORY ./run"
	demo_directory=$(cd "$demo_directory" && pwd)
	demo_directory=${demo_directory#"$PWD/"}
	{ exec 9>"$demo_directory/lock"; } 2>/dev/null || die "cannot write to $demo_directory/lock; copy the project to a directory of your own, or name one for the demo's state: DEMO_STATE=DIRECTORY ./run"
	flock -n 9 || die "a demo is already running with the state in $demo_directory; end it first: Ctrl-C in its terminal, or kill $(<"$demo_directory/run.pid")"
	printf '%s\n' "$$" >"$demo_directory/run.pid"
	trap demo_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	port_check GATEWAY_PORT "${part_port[gateway]}"
	port_check HCM_PORT "${part_port[hcm]}"
	port_check DSP_PORT "${part_port[dsp]}"
	[[ ! $secure ]] || port_check COMMUNITY_PORT "${part_port[community]}"
	rm -f "$demo_directory/requests" "$demo_directory"/reply.* "$demo_directory"/answer.*
	mkfifo -m 600 "$demo_directory/requests" && exec 7<>"$demo_directory/requests" ||
		die "cannot make $demo_directory/requests; copy the project to a directory of your own"
	redis_directory=$(mktemp -d) || die "no temporary directory can be made in ${TMPDIR:-/tmp}"
	part_port[redis]=$redis_directory/redis.sock
}

# Keys, once, so that ids and what is kept stay readable from one demo to the next; configurations, each time.
files_write() {
	secrets_make
	domain_configuration hcm >"$demo_directory/hcm.yaml"
	gateway_configuration >"$demo_directory/gateway.yaml"
	tenant_configuration hopital-nord 2.999.20.100 >"$demo_directory/hopital-nord.yaml"
	[[ ! $secure ]] || portal_configuration >"$demo_directory/portal.yaml"
	tenant_configuration hopital-sud 2.999.20.200 >"$demo_directory/hopital-sud.yaml"
}

# Keys and secrets: made once, readable by their owner alone.
secrets_make() {
	(
		umask 077
		cd "$demo_directory" || exit 1
		[[ -s seal.key ]] || head -c 32 /dev/urandom >seal.key
		[[ -s state.key ]] || head -c 32 /dev/urandom >state.key
		[[ -s consent.secret ]] || od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >consent.secret
		[[ -s demo-tokens.pem ]] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out demo-tokens.pem
		[[ -s tokens.pem ]] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out tokens.pem
		[[ -s xua.pem ]] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=passerelle-demo -keyout xua.key -out xua.pem
		[[ -s portal.pem ]] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=passerelle-demo-portal -keyout portal.key -out portal.pem
	) >"$demo_directory/secrets.log" 2>&1 || die "the demo's keys could not be made; see $demo_directory/secrets.log"
}

domain_configuration() { # hcm or dsp
	cat <<YAML
# Written by ./run for the demo, again at each start. All keys: conf/passerelle.yaml
domain:
  listen:
    port: ${part_port[$1]}
  accept_any_code: true
YAML
	if [[ $1 == hcm ]]; then
		cat <<YAML
  data_directory: data
  repository_unique_id: 2.999.20.10
  home_community_id: $hcm_home
  assigning_authority: 1.3.6.1.4.1.21367.13.20.3000
  patients: [IHEBLUE-1001..IHEBLUE-1010]
  cross_references:
    - 1.3.6.1.4.1.21367.13.20.1000|IHERED-1001..IHERED-1010 = IHEBLUE-1001..IHEBLUE-1010
    - 1.3.6.1.4.1.21367.13.20.2000|IHEGREEN-1001..IHEGREEN-1010 = IHEBLUE-1001..IHEBLUE-1010
  demographics_file: $PWD/conf/demo/patients.json
YAML
	else
		# The same people, whom the DSP knows by numbers of its own.
		sed 's/IHEBLUE-/DSP-/' conf/demo/patients.json >"$demo_directory/dsp-patients.json"
		cat <<YAML
  data_directory: dsp-data
  repository_unique_id: 2.999.20.41
  home_community_id: 2.999.20.40
  assigning_authority: $dsp_authority
  patients: [DSP-1001..DSP-1010]
  demographics_file: dsp-patients.json
YAML
	fi
	[[ ! $secure ]] && return
	[[ $1 == hcm ]] && printf '  consent_secret: consent.secret\n'
	cat <<YAML
  xua:
    audiences: [urn:passerelle:demo:$1]
    issuers:
      - issuer: urn:passerelle:demo
        certificate_file: xua.pem
YAML
	[[ $1 == dsp ]] && printf '      - issuer: urn:passerelle:demo:dsp-portal\n        certificate_file: portal.pem\n'
	return 0
}

# What the DSP has already: a vaccination record, provided to it by ITI-41 as any of its sources would. The message is the
# one that `passerelle map` makes of a Bundle.
dsp_fill() {
	domain_configuration dsp >"$demo_directory/dsp.yaml"
	[[ -e $demo_directory/dsp-data/filled ]] && return
	local system=urn:oid:$dsp_authority boundary=passerelle-demo content
	content=$(base64 -w 0 conf/demo/vaccinations.txt)
	sed "s#$patient_system#$system#; s/IHEBLUE-1001/DSP-1001/; s/2\.999\.20\.1\.12/2.999.20.43.1/; s/2\.999\.20\.6/2.999.20.44/
		s/A greeting/Vaccination record/; s/SGVsbG8sIHdvcmxkCg==/$content/" conf/demo/hello.json >"$demo_directory/dsp-document.json"
	# What the domain demands of gateways, a source of its own need not bring.
	(secure= && domain_configuration dsp) >"$demo_directory/dsp.yaml"
	part_begin dsp "The DSP takes a vaccination record in"
	{
		printf -- '--%s\r\nContent-ID: <root@passerelle>\r\nContent-Type: application/xop+xml; type="application/soap+xml"\r\n\r\n' $boundary
		build/passerelle map "$demo_directory/dsp-document.json" 2>/dev/null |
			sed "s/urn:uuid:00000000-0000-4000-8000-00000000000\([1-9]\)/id\1/g; s#urn:uuid:00000000-0000-4000-8000-000000000000#urn:uuid:$(uuid_new)#
				s#$system#urn:oid:$dsp_authority#g"
		printf '\r\n--%s\r\nContent-ID: <document1@passerelle>\r\nContent-Type: text/plain\r\n\r\n' $boundary
		cat conf/demo/vaccinations.txt
		printf '\r\n--%s--\r\n' $boundary
	} >"$demo_directory/dsp-document.mtom"
	curl -sS --max-time 60 -o "$demo_directory/dsp-filled.mtom" --data-binary "@$demo_directory/dsp-document.mtom" \
		-H "Content-Type: multipart/related; type=\"application/xop+xml\"; start=\"<root@passerelle>\"; start-info=\"application/soap+xml\"; boundary=$boundary" \
		"http://127.0.0.1:${part_port[dsp]}/repository"
	grep -qE 'ResponseStatusType:Success|DuplicateUniqueId' "$demo_directory/dsp-filled.mtom" ||
		die "the DSP did not take its document; its answer is $demo_directory/dsp-filled.mtom"
	part_end dsp TERM
	domain_configuration dsp >"$demo_directory/dsp.yaml"
	: >"$demo_directory/dsp-data/filled"
}

# What differs from one hospital to the other; the rest stands in gateway.yaml.
tenant_configuration() { # name and OID of the hospital
	cat <<YAML
# Written by ./run for the demo, again at each start. Keys here take the place of those in gateway.yaml.
publication:
  degraded: accept
  delete: remove
$([[ $1 == hopital-nord ]] && printf '  share: ["%s = dsp provide"]\n' "$letter_class")
demo:
  organization: $2
# Whose documents are this hospital's, by their authors' institutions; what is the other's is read by the patient's Consent.
organizations:
$([[ $1 == hopital-nord ]] && printf '  - urn:oid:2.999.20.4|HFM # of the letter, and of what names none\n')
  - urn:oid:$2
audit:
  source_id: $1
YAML
	[[ ! $secure ]] && return
	cat <<YAML
  repositories:
    - name: file
      kind: file
      path: audit-$1.ndjson
# What doctors at the DSP, and patients by its portal, may see of this hospital: where the DSP's gateway asks by XCA.
community:
  home_community_id: $2
  xua:
    audiences: [urn:passerelle:demo:$1]
    issuers:
      - issuer: urn:passerelle:demo:dsp-portal
        certificate_file: portal.pem
  roles: ["http://snomed.info/sct|309343006"]
YAML
}

gateway_configuration() {
	local hcm=http://127.0.0.1:${part_port[hcm]} dsp=http://127.0.0.1:${part_port[dsp]}
	cat <<YAML
# Written by ./run for the demo, again at each start. All keys: conf/passerelle.yaml
listen:
  port: ${part_port[gateway]}
tenants:
  - name: hopital-nord
    file: hopital-nord.yaml
  - name: hopital-sud
    file: hopital-sud.yaml
default_tenant: hopital-nord
keys:
  - id: 1
    file: seal.key
back_ends:
  - name: hcm
    source: 1
    home_community_id: $hcm_home
    registry_url: $hcm/registry
    provide_url: $hcm/repository
    delete_url: $hcm/registry
    repositories:
      - unique_id: 2.999.20.10
        url: $hcm/repository
        remove_url: $hcm/repository
$([[ $secure ]] && printf '    xua_audience: urn:passerelle:demo:hcm\n')
  - name: dsp
    kind: xca
    source: 2
    registry_url: $dsp/xca
    xcpd_url: $dsp/xcpd
    provide_url: $dsp/repository
    update_url: $dsp/registry
    delete_url: $dsp/registry
    repositories:
      - unique_id: 2.999.20.41
        url: $dsp/repository
        remove_url: $dsp/repository
    home_community_id: 2.999.20.40
    assigning_authority: $dsp_authority
$([[ $secure ]] && printf '    xua_audience: urn:passerelle:demo:dsp\n')
patient:
  assigning_authority: 1.3.6.1.4.1.21367.13.20.3000
identity:
  pix_url: $hcm/pix
  pdq_url: $hcm/pdq
  feed_url: $hcm/pix
$([[ $secure ]] && printf '  xua_audience: urn:passerelle:demo:hcm\n')
  authorities:
    - number: 1
      oid: 1.3.6.1.4.1.21367.13.20.1000
      source: "*"
    - number: 2
      oid: 1.3.6.1.4.1.21367.13.20.2000
      source: "*"
defaults:
  class_code: http://loinc.org|11503-0|Medical records
  type_code: http://loinc.org|34133-9|Summary of episode note
  format_code: http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode|urn:ihe:iti:xds:2017:mimeTypeSufficient|mimeType Sufficient
  confidentiality_code: http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N|normal
  facility_type_code: http://terminology.hl7.org/CodeSystem/v3-RoleCode|HOSP|Hospital
  practice_setting_code: http://snomed.info/sct|394802001|General medicine
  content_type_code: http://loinc.org|11503-0|Medical records
  language_code: en
YAML
	cat <<YAML
redis:
  address: $redis_directory/redis.sock
state_directory: state
state_keys:
  - id: 1
    file: state.key
YAML
	if [[ ! $secure ]]; then
		cat <<YAML
# Who shows no token is served too: for the demonstration, on loopback. ./run demo --secure shows the rest.
access:
  anonymous: true
YAML
		return
	fi
	cat <<YAML
demo:
  token_key: demo-tokens.pem
authorization_server:
  key_file: tokens.pem
consent:
  source: directory
  directory_url: $hcm/consent
  secret_file: consent.secret
  default: permit
  care_relationships: ["http://snomed.info/sct|309343006|any"]
  break_glass_roles: ["http://snomed.info/sct|309343006"]
  max_age_seconds: 900
xua:
  key_file: xua.key
  certificate_file: xua.pem
  issuer: urn:passerelle:demo
community:
  listen:
    port: ${part_port[community]}
YAML
}

# The gateway of the DSP's portal: people who see the national record there, and through this gateway what the hospitals have.
portal_configuration() {
	local dsp=http://127.0.0.1:${part_port[dsp]} community=http://127.0.0.1:${part_port[community]}
	cat <<YAML
# Written by ./run for the demo, again at each start: the gateway of the DSP's portal, which asks the hospitals by XCA.
listen:
  port: 0
public_base: http://localhost/fhir
keys:
  - id: 1
    file: seal.key
back_ends:
  - name: dsp
    source: 1
    registry_url: $dsp/registry
    provide_url: $dsp/repository
    repositories:
      - unique_id: 2.999.20.41
        url: $dsp/repository
    xua_audience: urn:passerelle:demo:dsp
  - name: hopital-nord
    kind: xca
    source: 2
    registry_url: $community/xca/hopital-nord
    xcpd_url: $community/xcpd/hopital-nord
    home_community_id: 2.999.20.100
    assigning_authority: 1.3.6.1.4.1.21367.13.20.3000
    xua_audience: urn:passerelle:demo:hopital-nord
patient:
  assigning_authority: $dsp_authority
identity:
  pix_url: $dsp/pix
  pdq_url: $dsp/pdq
  xua_audience: urn:passerelle:demo:dsp
state_directory: portal-state
state_keys:
  - id: 1
    file: state.key
demo:
  token_key: demo-tokens.pem
consent:
  source: none
xua:
  key_file: portal.key
  certificate_file: portal.pem
  issuer: urn:passerelle:demo:dsp-portal
YAML
}

