#include "runtime/aws/ssm_payload.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "compiler/base/arena.h"
#include "runtime/aws/ssm_command.h"

enum { LINE_BYTES = 57, LINE_TEXT = 76 }; /* of base64 (RFC 2045) */

bool payload_is_windows(const struct call *call)
{
    const char *os = call_text(call, "os");
    return os && strncmp(os, "windows", strlen("windows")) == 0;
}

const char *payload_document(const struct call *call)
{
    return payload_is_windows(call) ? "AWS-RunPowerShellScript" : "AWS-RunShellScript";
}

void payload_begin(struct buffer *out, bool windows)
{
    if (windows) {
        buffer_puts(out,
                    "$ErrorActionPreference = 'Stop'\n"
                    "$d = Join-Path ([IO.Path]::GetTempPath()) ('drc-' + [Guid]::NewGuid())\n"
                    "New-Item -ItemType Directory -Path $d | Out-Null\n");
        return;
    }
    buffer_puts(out,
                "set -f\numask 077\n"
                "for n in base64 gzip sha256sum mktemp; do\n"
                "  command -v $n >/dev/null || { echo \"drc: $n is not installed here\" >&2; exit 125; }\n"
                "done\n"
                "d=\n"
                "for b in \"${TMPDIR:-/tmp}\" /var/tmp /root; do\n"
                "  d=$(mktemp -d \"$b/drc.XXXXXX\" 2>/dev/null) || { d=; continue; }\n"
                "  printf '#!/bin/sh\\nexit 0\\n' >\"$d/try\" && chmod 700 \"$d/try\" && "
                "\"$d/try\" 2>/dev/null && break\n"
                "  rm -rf \"$d\"; d=\n"
                "done\n"
                "[ \"$d\" ] || { echo 'drc: no program can be executed below /tmp, /var/tmp or /root "
                "(noexec, or full)' >&2; exit 125; }\n"
                "trap 'rm -rf \"$d\"' EXIT\n");
}

/* As one gzip member; the caller frees. */
static unsigned char *compress_bytes(const struct buffer *bytes, size_t *length)
{
    z_stream stream = {.next_in = (unsigned char *)bytes->data, .avail_in = (uInt)bytes->length};
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 9,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        base_out_of_memory();
    }
    uLong room = deflateBound(&stream, (uLong)bytes->length);
    unsigned char *packed = base_alloc(room + 1);
    stream.next_out = packed;
    stream.avail_out = (uInt)room;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        abort(); /* the room was enough by deflateBound */
    }
    *length = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

static void put_base64(struct buffer *out, const unsigned char *bytes, size_t length)
{
    unsigned char line[LINE_TEXT + 1];
    for (size_t at = 0; at < length; at += LINE_BYTES) {
        size_t part = length - at < LINE_BYTES ? length - at : LINE_BYTES;
        int made = EVP_EncodeBlock(line, bytes + at, (int)part);
        buffer_append(out, line, (size_t)made);
        buffer_putc(out, '\n');
    }
}

void payload_file(struct buffer *out, bool windows, const char *name, const struct buffer *bytes,
                  const char *digest)
{
    size_t length = 0;
    unsigned char *packed = compress_bytes(bytes, &length);
    if (windows) {
        buffer_puts(out, "$p = @'\n");
        put_base64(out, packed, length);
        buffer_printf(out,
                      "'@\n"
                      "$i = New-Object IO.MemoryStream (,[Convert]::FromBase64String($p))\n"
                      "$g = New-Object IO.Compression.GzipStream ($i, "
                      "[IO.Compression.CompressionMode]::Decompress)\n"
                      "$o = [IO.File]::Create((Join-Path $d '%s')); $g.CopyTo($o); $o.Close()\n"
                      "if ((Get-FileHash -Algorithm SHA256 (Join-Path $d '%s')).Hash -ne '%s') {\n"
                      "  [Console]::Error.WriteLine('drc: the script is not what was sent')\n"
                      "  Remove-Item -Recurse -Force $d; exit 125\n}\n",
                      name, name, digest);
    } else {
        buffer_printf(out, "base64 -d <<'END_OF_FILE' | gzip -dc >\"$d/%s\"\n", name);
        put_base64(out, packed, length);
        buffer_printf(out,
                      "END_OF_FILE\n"
                      "[ \"$(sha256sum <\"$d/%s\" | cut -d' ' -f1)\" = %s ] || {\n"
                      "  echo 'drc: the script is not what was sent' >&2; exit 125; }\n"
                      "chmod 700 \"$d/%s\"\n",
                      name, digest, name);
    }
    free(packed);
}

/* A PowerShell word: between quotes only a quote means anything; "{{" is SSM's own. */
static void put_powershell(struct buffer *out, const char *word)
{
    buffer_puts(out, " '");
    for (; *word; word++) {
        buffer_puts(out, *word == '\'' ? "'" : "");
        buffer_putc(out, *word);
        if (*word == '{' && word[1] == '{') {
            buffer_puts(out, "' + '");
        }
    }
    buffer_putc(out, '\'');
}

void payload_word(struct buffer *out, bool windows, const char *word)
{
    if (windows) {
        buffer_puts(out, " (");
        put_powershell(out, word);
        buffer_putc(out, ')');
    } else {
        ssm_put_quoted(out, word);
    }
}

static bool is_name(const char *key)
{
    size_t length = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
    return length > 0 && key[length] == '\0' && !(*key >= '0' && *key <= '9');
}

void payload_environment(struct buffer *out, bool windows, const struct value *env)
{
    for (uint32_t i = 0; env && env->kind == VALUE_MAP && i < env->count; i++) {
        const char *value = value_text(&env->items[i]);
        if (!is_name(env->keys[i])) {
            continue; /* no plan has it: it would be a piece of program */
        }
        if (windows) {
            buffer_printf(out, "$env:%s =", env->keys[i]);
        } else {
            buffer_printf(out, "%s=", env->keys[i]);
        }
        size_t before = out->length;
        payload_word(out, windows, value ? value : "");
        if (!windows) { /* no blank behind the sign */
            memmove(out->data + before, out->data + before + 1, out->length - before - 1);
            out->length--;
            buffer_printf(out, "; export %s", env->keys[i]);
        }
        buffer_putc(out, '\n');
    }
}

void payload_arguments(struct buffer *out, bool windows, const struct value *args)
{
    for (uint32_t i = 0; args && args->kind == VALUE_LIST && i < args->count; i++) {
        const char *word = value_text(&args->items[i]);
        payload_word(out, windows, word ? word : "");
    }
}

bool payload_fits(const struct buffer *payload, const char *what, struct error *error)
{
    if (payload->length <= PAYLOAD_MAX) {
        return true;
    }
    error_set(error,
              "%s is too large for a command of SSM: %zu KiB with its arguments and environment, of %d", what,
              (payload->length + 1023) >> 10, PAYLOAD_MAX >> 10);
    return error_help(error, "let a small script fetch the rest, from S3 or a package repository");
}
