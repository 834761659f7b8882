#!/bin/sh
# Checks a proof that one transaction is in a channel's chain. Needs openssl and POSIX tools, nothing of careledger.
#
#   sh check.sh [HASH]
#
# HASH is what you trust: the hash of the channel's genesis block (or of the configuration block named below), from a
# party you trust and not from whoever gave you this proof. Everything else follows from the files beside this script;
# README.txt says what they are. Ends with "proven" and exit code 0, or with the first thing that does not hold and 1.
set -eu
export LC_ALL=C
cd "$(dirname "$0")"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
trusted=${1:-}

fail() { echo "NOT PROVEN: $1"; exit 1; }
ok() { echo "ok  $1"; }
sha() { cat "$@" | sha256sum | cut -d ' ' -f 1; }
same() { [ "$1" = "$2" ] || fail "$3: $1 is not $2"; }
plain() { printf %s "$1" | tr / _; } # a name that is no path
claim() { sed -n "s/^$1=//p" proof.txt; }
size() { wc -c < "$1" | tr -d ' '; }
slice() { tail -c +"$(($2 + 1))" "$1" | head -c "$(($3 - $2))"; } # FILE START END

# Reads protobuf. next FILE AT END: sets tag, from and to (the content), at (the next field). A number's content is its varint.
next() {
  set -- "$1" "$2" "$3" $(od -An -v -tu1 -j "$2" -N 24 "$1")
  start=$2; end=$3; shift 3
  key=0; scale=1; used=0
  while :; do
    byte=$1; shift; used=$((used + 1)); key=$((key + byte % 128 * scale)); scale=$((scale * 128))
    [ "$byte" -ge 128 ] || break
  done
  tag=$((key / 8)); kind=$((key % 8)); value=0; scale=1; head=$used
  while :; do
    byte=$1; shift; used=$((used + 1)); value=$((value + byte % 128 * scale)); scale=$((scale * 128))
    [ "$byte" -ge 128 ] || break
  done
  case $kind in
    0) from=$((start + head)); to=$((start + used)) ;;
    2) from=$((start + used)); to=$((from + value)) ;;
    *) fail "malformed message" ;;
  esac
  [ "$to" -le "$end" ] || fail "malformed message"
  at=$to
}
# field FILE TAG... : writes to stdout the content of the last field TAG, then within it the next one, and so on.
field() {
  file=$1; shift
  begin=0; stop=$(size "$file")
  for wanted in "$@"; do
    at=$begin; limit=$stop; found=
    while [ "$at" -lt "$limit" ]; do
      next "$file" "$at" "$limit"
      if [ "$tag" = "$wanted" ]; then found=yes; begin=$from; stop=$to; fi
    done
    [ "$found" ] || return 0
  done
  slice "$file" "$begin" "$stop"
}
# each FILE TAG PREFIX: writes all fields TAG to files PREFIX.1, PREFIX.2 …, and sets count.
each() {
  count=0; at=0; limit=$(size "$1")
  while [ "$at" -lt "$limit" ]; do
    next "$1" "$at" "$limit"
    if [ "$tag" = "$2" ]; then count=$((count + 1)); slice "$1" "$from" "$to" > "$3.$count"; fi
  done
}
# entry FILE TAG KEY OUT: the value of a map's entry.
entry() {
  each "$1" "$2" "$work/entry"
  index=$count; found=
  while [ "$index" -gt 0 ]; do
    if [ "$(field "$work/entry.$index" 1)" = "$3" ]; then
      field "$work/entry.$index" 2 > "$work/found"; mv "$work/found" "$4"; found=yes; break
    fi
    index=$((index - 1))
  done
  [ "$found" ] || fail "the configuration has no $3"
}
number() { # a varint on stdin
  value=0; scale=1
  for byte in $(od -An -v -tu1); do value=$((value + byte % 128 * scale)); scale=$((scale * 128)); done
  echo "$value"
}
# header FILE: reads a block header (DER: number, previous hash, data hash).
header() {
  openssl asn1parse -inform DER -in "$1" > "$work/asn1" 2>/dev/null || fail "$1 is no block header"
  block_number=$((0x$(sed -n 's/.*INTEGER *://p' "$work/asn1")))
  data_hash=$(sed -n 's/.*OCTET STRING *\[HEX DUMP\]://p' "$work/asn1" | tail -n 1 | tr A-F a-f)
}
# signed CERTIFICATE SIGNATURE FILE: is this the certificate's signature over the file? ECDSA on P-256 must be in low-S form.
signed() {
  openssl x509 -in "$1" -noout -pubkey > "$work/key" 2>/dev/null || return 1
  if openssl pkey -pubin -in "$work/key" -noout -text | grep -qi '^ED25519'; then
    openssl pkeyutl -verify -pubin -inkey "$work/key" -rawin -in "$3" -sigfile "$2" > /dev/null 2>&1
    return
  fi
  openssl dgst -sha256 -verify "$work/key" -signature "$2" "$3" > /dev/null 2>&1 || return 1
  if openssl pkey -pubin -in "$work/key" -noout -text | grep -q 'prime256v1'; then
    s=$(openssl asn1parse -inform DER -in "$2" | sed -n 's/.*INTEGER *://p' | tail -n 1)
    half=7FFFFFFF800000007FFFFFFFFFFFFFFFDE737D56D38BCF4279DCE5617E3192A8
    while [ "${#s}" -lt 64 ]; do s=0$s; done
    [ "$(printf '%s\n%s\n' "$s" "$half" | sort | tail -n 1)" = "$half" ] || return 1
  fi
}
# organisations GROUP: CA certificates of every organisation in a group of the configuration, to GROUP-MSPID.{roots,others}.
organisations() {
  entry "$work/channel" 2 "$1" "$work/group"
  each "$work/group" 2 "$work/member"; members=$count; member=1
  while [ "$member" -le "$members" ]; do
    field "$work/member.$member" 2 > "$work/organisation"
    entry "$work/organisation" 3 MSP "$work/value"
    field "$work/value" 2 2 > "$work/msp"
    name=$1-$(plain "$(field "$work/msp" 1)")
    each "$work/msp" 2 "$work/root"; cat "$work"/root.* > "$work/$name.roots"; rm -f "$work"/root.*
    each "$work/msp" 3 "$work/other"; cat "$work"/other.* > "$work/$name.others" 2>/dev/null || true; rm -f "$work"/other.*
    member=$((member + 1))
  done
}
# issued GROUP IDENTITY: unpacks a SerializedIdentity to CERTIFICATE and checks that an organisation of the group issued it.
issued() {
  msp=$(plain "$(field "$2" 1)"); field "$2" 2 > "$work/certificate"
  [ -s "$work/$1-$msp.roots" ] || return 1
  set -- "$work/$1-$msp"
  untrusted=; [ -s "$1.others" ] && untrusted="-untrusted $1.others"
  # The clock is not asked: the certificate had to be valid then, not now.
  openssl verify -no_check_time -CAfile "$1.roots" $untrusted "$work/certificate" > /dev/null 2>&1
}

tx=$(claim tx_id); channel=$(claim channel); code=$(claim validation_code)

# 1. The configuration in force, and why it can be trusted.
header config-header.der; config_number=$block_number
same "$(sha config-data.bin)" "$data_hash" "the data hash of the configuration block"
config_hash=$(sha config-header.der)
header header.der; number=$block_number; tx_data_hash=$data_hash; block_hash=$(sha header.der)
if [ -f chain.der ]; then
  # One line for each header: number, previous hash, the header itself as printf writes it.
  od -An -v -tu1 chain.der | awk '
    { for (i = 1; i <= NF; i++) b[n++] = $i }
    function bad() { print "bad"; exit }
    END { at = 0
      while (at < n) {
        p = at + 2; if (b[at] != 48 || b[at + 1] > 127 || b[p] != 2) bad()
        number = 0; for (k = 0; k < b[p + 1]; k++) number = number * 256 + b[p + 2 + k]
        p += 2 + b[p + 1]; if (b[p] != 4) bad()
        previous = "-"; for (k = 0; k < b[p + 1]; k++) previous = previous sprintf("%02x", b[p + 2 + k])
        p += 2 + b[p + 1]; if (b[p] != 4) bad()
        p += 2 + b[p + 1]; if (p != at + 2 + b[at + 1] || p > n) bad()
        text = ""; for (k = at; k < p; k++) text = text sprintf("\\%03o", b[k])
        printf "%09d %s %s\n", number, previous, text; at = p
      }
    }' > "$work/links"
  mkdir "$work/chain"; count=0
  while read -r number previous text; do
    [ "$text" ] || fail "link $count of the chain is no block header"
    case $number in *[!0-9]*) fail "link $count of the chain is no block header" ;; esac
    same "$(expr "$number" + 0)" "$count" "a number in the chain"
    printf "$text" > "$work/chain/$number"; count=$((count + 1))
  done < "$work/links"
  (cd "$work/chain" && ls | xargs sha256sum) | paste -d ' ' "$work/links" - | awk -v config="$config_hash" '
    substr($2, 2) != last { print "broken", NR - 1; exit }
    { last = $4; if (NR == 1) first = last; if (last == config) seen = 1 }
    END { print first, last, seen }' > "$work/ends"
  read -r first last seen < "$work/ends"
  [ "$first" != broken ] || fail "the chain is broken at block $last"
  same "$last" "$block_hash" "the last hash of the chain"
  [ "$seen" ] || fail "the configuration block is not in the chain"
  number=$block_number
  ok "an unbroken chain of $count blocks from block 0 ($first)"
  anchor=$first; what="the genesis block"
else
  anchor=$config_hash; what="configuration block $config_number"
  [ "$config_number" != 0 ] || what="the genesis block"
fi
if [ "$trusted" ]; then
  same "$anchor" "$(echo "$trusted" | tr A-F a-f)" "$what"
  ok "$what is the trusted one"
fi
field config-data.bin 1 > "$work/payload"
same "$(field "$work/payload" 1 1 | { cat > "$work/ch"; field "$work/ch" 4; })" "$channel" "the channel"
field "$work/payload" 2 1 2 > "$work/channel"
organisations Orderer; organisations Application
ok "configuration block $config_number of channel $channel"

# 2. The transaction is in the block.
same "$(sha data-before.bin envelope.bin data-after.bin)" "$tx_data_hash" "the data hash of the block"
ok "the transaction is in the data of block $number ($block_hash)"
field envelope.bin 1 > "$work/payload"; field envelope.bin 2 > "$work/signature"
field "$work/payload" 1 1 > "$work/ch"; field "$work/payload" 1 2 > "$work/sh"
same "$(field "$work/ch" 4)" "$channel" "the transaction's channel"
same "$(field "$work/ch" 5)" "$tx" "the transaction's id"
field "$work/sh" 1 > "$work/creator"; field "$work/sh" 2 > "$work/nonce"
[ "$(sha "$work/nonce" "$work/creator")" = "$tx" ] && ok "its id is $tx" || [ "$code" != 0 ] || fail "the id is not the transaction's"
if issued Application "$work/creator" || issued Orderer "$work/creator"; then
  if signed "$work/certificate" "$work/signature" "$work/payload"; then ok "its creator, of $msp, signed it"
  else [ "$code" != 0 ] || fail "the creator's signature does not hold"; fi
else [ "$code" != 0 ] || fail "the creator is not of an organisation of the channel"; fi

# 3. The ordering service signed the block.
each metadata-signatures.bin 2 "$work/block-signature"; signatures=$count; good=0; index=1
field metadata-signatures.bin 1 > "$work/signed-value"
while [ "$index" -le "$signatures" ]; do
  field "$work/block-signature.$index" 1 > "$work/signer-header"; field "$work/block-signature.$index" 2 > "$work/signature"
  field "$work/signer-header" 1 > "$work/signer"
  cat "$work/signed-value" "$work/signer-header" header.der > "$work/signed"
  if issued Orderer "$work/signer" && signed "$work/certificate" "$work/signature" "$work/signed"; then
    good=$((good + 1)); ok "an ordering node of $msp signed block $number"
  fi
  index=$((index + 1))
done
[ "$good" -gt 0 ] || fail "no ordering node's signature on the block holds"

# 4. What peers say under their signature of its validation code.
said=0
for dir in statements/*/; do
  [ -d "$dir" ] || continue
  field "$dir/response.bin" 5 > "$work/answer"
  field "$dir/response.bin" 6 1 > "$work/endorser"; field "$dir/response.bin" 6 2 > "$work/signature"
  cat "$work/answer" "$work/endorser" > "$work/signed"
  issued Application "$work/endorser" || fail "$dir: the peer is not of an organisation of the channel"
  signed "$work/certificate" "$work/signature" "$work/signed" || fail "$dir: the peer's signature does not hold"
  field "$dir/proposal.bin" 1 1 > "$work/pch"; field "$dir/proposal.bin" 1 2 > "$work/psh"; field "$dir/proposal.bin" 2 > "$work/pp"
  same "$(field "$work/answer" 1 | od -An -v -tx1 | tr -d ' \n')" "$(sha "$work/pch" "$work/psh" "$work/pp")" "$dir: the question"
  same "$(field "$work/pch" 4)" "$channel" "$dir: the channel of the question"
  field "$work/answer" 2 > "$work/action"
  same "$(field "$work/action" 4 2)" qscc "$dir: who answered"
  field "$work/action" 3 3 > "$work/processed"
  field "$work/processed" 1 | cmp -s - envelope.bin || fail "$dir: the peer speaks of another transaction"
  same "$(field "$work/processed" 2 | number)" "$code" "$dir: the validation code"
  said=$((said + 1)); ok "a peer of $msp states validation code $code"
done
[ "$said" -gt 0 ] || echo "--  validation code $code is recorded by: $(claim recorded_by); no peer's signature on that is here"

[ "$trusted" ] || echo "--  nothing was trusted: ask a party you trust whether $what has the hash $anchor"
echo "proven: transaction $tx is in block $number of channel $channel, if $what is $anchor"
