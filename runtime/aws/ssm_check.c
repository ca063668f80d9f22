/* Checks that an instance carries out itself, by SSM, where the runner has no way to it: asked again and
 * again, as the runner's own checks are, until they hold or their time is over. On Linux with nothing but
 * a POSIX shell and what every distribution has (bash or nc, curl, getent); what is missing is told. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/ssm_command.h"
#include "runtime/aws/ssm_payload.h"

enum {
    DELIVERY_S = 600,
    MARGIN_S = 60, /* the loop ends itself; SSM only where that hangs */
};

static const char *text_of(const struct value *check, const char *name)
{
    const char *text = value_text(value_member(check, name));
    return text ? text : "";
}

static int64_t number_of(const struct value *check, const char *name, int64_t fallback)
{
    const struct value *value = value_member(check, name);
    return value && value->kind == VALUE_INT ? value->integer : fallback;
}

static bool flag_of(const struct value *check, const char *name)
{
    const struct value *value = value_member(check, name);
    return value && value->kind == VALUE_BOOL && value->boolean;
}

/* NAME='…' on a line of its own. */
static void put_variable(struct buffer *out, bool windows, const char *name, const char *text)
{
    buffer_printf(out, windows ? "$%s =" : "%s=", name);
    struct buffer word = {0};
    payload_word(&word, windows, text);
    buffer_puts(out, buffer_text(&word) + (windows ? 0 : 1)); /* no blank behind the shell's sign */
    buffer_putc(out, '\n');
    buffer_free(&word);
}

static void put_number(struct buffer *out, bool windows, const char *name, int64_t number)
{
    buffer_printf(out, windows ? "$%s = %" PRId64 "\n" : "%s=%" PRId64 "\n", name, number);
}

static void put_url(struct buffer *out, bool windows, const struct value *check)
{
    struct buffer url = {0};
    const char *address = text_of(check, "address"), *path = text_of(check, "path");
    bool v6 = strchr(address, ':') != NULL;
    buffer_printf(&url, "%s://%s%s%s:%" PRId64 "%s", flag_of(check, "tls") ? "https" : "http",
                  v6 ? "[" : "", address, v6 ? "]" : "", number_of(check, "port", 0),
                  *path ? path : "/");
    put_variable(out, windows, "u", buffer_text(&url));
    buffer_free(&url);
}

/* Each defines `try`, which leaves in `said` what it saw. */
static const char SHELL_TCP[] =
    "command -v bash >/dev/null || command -v nc >/dev/null || {\n"
    "  echo 'drc: neither bash nor nc is installed here, to try a port with' >&2; exit 125; }\n"
    "try() {\n"
    "  if command -v bash >/dev/null; then\n"
    "    said=$($limit bash -c 'exec 3<>\"/dev/tcp/$0/$1\"' \"$a\" \"$p\" 2>&1) && return 0\n"
    "    said=${said%%\n*}; said=${said##*: }\n"
    "  else\n"
    "    said=$(nc -z -w 5 \"$a\" \"$p\" 2>&1) && return 0\n"
    "  fi\n"
    "  said=\"tcp :$p ${said:-does not accept}\"; return 1\n"
    "}\n";
static const char SHELL_HTTP[] =
    "command -v curl >/dev/null || { echo 'drc: curl is not installed here' >&2; exit 125; }\n"
    "if [ \"$m\" ] && ! echo x | grep -qzP x 2>/dev/null; then\n"
    "  echo 'drc: grep here knows no PCRE patterns (grep -P)' >&2; exit 125\n"
    "fi\n"
    "try() {\n"
    "  said=$(curl -sS -k -g --noproxy '*' --max-time 5 -o \"$d/body\" -w '%{http_code}' \"$u\" "
    "2>\"$d/errors\") ||\n"
    "    { said=$(tail -n 1 \"$d/errors\"); return 1; }\n"
    "  [ \"$said\" = \"$s\" ] || { said=\"$u answers $said\"; return 1; }\n"
    "  [ -z \"$m\" ] || grep -qzP -e \"$m\" \"$d/body\" && return 0\n"
    "  said=\"the body of $u does not match $m\"; return 1\n"
    "}\n";
static const char SHELL_DNS[] =
    "command -v getent >/dev/null || { echo 'drc: getent is not installed here' >&2; exit 125; }\n"
    "try() {\n"
    "  said=$(getent ahosts \"$n\" | cut -d' ' -f1 | sort -u | tr '\\n' ' ')\n"
    "  ! command -v dig >/dev/null || said=\"$said$(dig +short \"$n\" CNAME | sed 's/[.]$//' | tr '\\n' ' ')"
    "$(dig +short \"$n\" TXT | tr -d '\"' | tr '\\n' ' ')\"\n"
    "  case \" $said\" in *\" $v \"*) return 0;; esac\n"
    "  said=\"$n is answered with ${said:-nothing}\"; return 1\n"
    "}\n";
static const char SHELL_SCRIPT[] =
    "try() {\n"
    "  (cd \"$d\" && exec $long \"$d/script\") >\"$d/said\" 2>&1 && return 0\n"
    "  said=\"the script ended with status $?: $(tail -n 1 \"$d/said\")\"; return 1\n"
    "}\n";
static const char SHELL_LOOP[] =
    "while ! try; do\n"
    "  [ $(($(date +%s) + i)) -lt $end ] || { echo \"$said\" >&2; exit 1; }\n"
    "  sleep $i\n"
    "done\n";

static const char WINDOWS_TCP[] =
    "function Try-It {\n"
    "  $c = New-Object Net.Sockets.TcpClient\n"
    "  try { if ($c.ConnectAsync($a, $p).Wait(5000)) { return $true }\n"
    "    $script:said = \"tcp :$p no answer\" }\n"
    "  catch { $script:said = \"tcp :$p $($_.Exception.InnerException.Message)\" } finally { $c.Close() }\n"
    "  return $false\n}\n";
static const char WINDOWS_HTTP[] =
    "[Net.ServicePointManager]::ServerCertificateValidationCallback = { $true }\n"
    "function Try-It {\n"
    "  try { $r = Invoke-WebRequest -UseBasicParsing -TimeoutSec 5 -MaximumRedirection 0 -Uri $u }\n"
    "  catch { $r = $_.Exception.Response\n"
    "    if (-not $r) { $script:said = $_.Exception.Message; return $false } }\n"
    "  if ([int]$r.StatusCode -ne $s) {\n"
    "    $script:said = \"$u answers $([int]$r.StatusCode)\"; return $false }\n"
    "  if ($m -and $r.Content -notmatch $m) { $script:said = \"the body of $u does not match $m\"; "
    "return $false }\n"
    "  return $true\n}\n";
static const char WINDOWS_DNS[] =
    "function Try-It {\n"
    "  try { $f = @([Net.Dns]::GetHostAddresses($n) | ForEach-Object { $_.ToString() }) }\n"
    "  catch { $f = @() }\n"
    "  $script:said = \"$n is answered with $f\"\n"
    "  return $f -contains $v\n}\n";
static const char WINDOWS_SCRIPT[] =
    "function Try-It {\n"
    "  $l = & powershell.exe -NoProfile -ExecutionPolicy Bypass -File (Join-Path $d 'script.ps1') 2>&1\n"
    "  $script:said = \"the script ended with status ${LASTEXITCODE}: $($l | Select-Object -Last 1)\"\n"
    "  return $LASTEXITCODE -eq 0\n}\n";
static const char WINDOWS_LOOP[] =
    "$ok = $false\n"
    "while (-not ($ok = Try-It)) {\n"
    "  if ((Get-Date).AddSeconds($i) -ge $end) { break }\n"
    "  Start-Sleep -Seconds $i\n}\n"
    "Remove-Item -Recurse -Force $d\n"
    "if (-not $ok) { [Console]::Error.WriteLine($said); exit 1 }\n";

static bool put_script(struct buffer *out, const struct operation *op, bool windows,
                       const struct value *check, struct error *error)
{
    struct buffer bytes = {0};
    const char *digest = text_of(check, "digest");
    bool ok = script_read(op->scripts, text_of(check, "script"), digest, &bytes, error);
    if (ok) {
        payload_file(out, windows, windows ? "script.ps1" : "script", &bytes, digest);
        payload_environment(out, windows, value_member(check, "env"));
        buffer_puts(out, windows ? WINDOWS_SCRIPT : SHELL_SCRIPT);
    }
    buffer_free(&bytes);
    return ok;
}

static bool put_try(struct buffer *out, const struct operation *op, bool windows,
                    const struct value *check, struct error *error)
{
    const char *kind = text_of(check, "kind");
    if (strcmp(kind, "tcp") == 0) {
        put_variable(out, windows, "a", text_of(check, "address"));
        put_number(out, windows, "p", number_of(check, "port", 0));
        buffer_puts(out, windows ? WINDOWS_TCP : SHELL_TCP);
    } else if (strcmp(kind, "http") == 0) {
        put_url(out, windows, check);
        put_number(out, windows, "s", number_of(check, "status", 200));
        put_variable(out, windows, "m", text_of(check, "match"));
        buffer_puts(out, windows ? WINDOWS_HTTP : SHELL_HTTP);
    } else if (strcmp(kind, "dns") == 0) {
        put_variable(out, windows, "n", text_of(check, "record"));
        put_variable(out, windows, "v", text_of(check, "value"));
        buffer_puts(out, windows ? WINDOWS_DNS : SHELL_DNS);
    } else if (strcmp(kind, "script") == 0) {
        return put_script(out, op, windows, check, error);
    } else {
        error_set(error, "an instance cannot check %s", *kind ? kind : "nothing");
        return error_help(error, "the graph is not of this version of drc: compile it again");
    }
    return true;
}

static bool put_check(struct buffer *out, const struct operation *op, int64_t timeout_s,
                      struct error *error)
{
    const struct call *call = op->calls[0];
    const struct value *check = call_input(call, "check");
    bool windows = payload_is_windows(call);
    int64_t interval_s = (number_of(check, "interval_ms", 2000) + 999) / 1000;
    payload_begin(out, windows);
    put_number(out, windows, "i", interval_s > 0 ? interval_s : 1);
    if (windows) {
        buffer_printf(out, "$end = (Get-Date).AddSeconds(%" PRId64 ")\n$said = ''\n", timeout_s);
    } else {
        buffer_printf(out,
                      "end=$(($(date +%%s) + %" PRId64 "))\nsaid= limit= long=\n"
                      "! command -v timeout >/dev/null || { limit='timeout 5'; long='timeout 60'; }\n",
                      timeout_s);
    }
    bool ok = put_try(out, op, windows, check, error);
    buffer_puts(out, windows ? WINDOWS_LOOP : SHELL_LOOP);
    return ok && payload_fits(out, "the check", error);
}

static void send_check(struct operation *op)
{
    const struct call *call = op->calls[0];
    int64_t timeout_s = call_int(call, "timeout_ms", 300000) / 1000;
    struct buffer payload = {0};
    struct error error = {0};
    if (put_check(&payload, op, timeout_s > 0 ? timeout_s : 1, &error)) {
        const char *text = buffer_text(&payload);
        ssm_send(op, payload_document(call), &text, 1, DELIVERY_S, timeout_s + MARGIN_S);
    } else {
        ssm_refuse_later(op, &error);
    }
    buffer_free(&payload);
}

const struct aws_action send_check_action = {.start = send_check, .lookup = ssm_find};
