<?php

// Signs a viewer token and prints the address of an iframe. The key says which algorithm it is.
//
//   composer install
//   EMBED_KID=2026-11 EMBED_KEY=2026-11.key php sign.php             # ES256
//   EMBED_KID=2026-11 EMBED_SECRET=$(cat secret.txt) php sign.php    # HS256

declare(strict_types=1);

use Firebase\JWT\JWT;

require __DIR__ . '/vendor/autoload.php';

/** The key, and the only algorithm it is for. */
function signingKey(): array
{
    $secret = getenv('EMBED_SECRET');
    if ($secret !== false) {
        return [$secret, 'HS256'];
    }
    $key = openssl_pkey_get_private('file://' . realpath((string) getenv('EMBED_KEY')));
    return [$key ?: throw new RuntimeException('EMBED_KEY is not a private key'), 'ES256'];
}

function viewerToken(string $viewer, string $tenant, int $organizationId): string
{
    $now = time();
    $claims = [
        'iss' => 'https://app.example.com',
        'aud' => 'embedgate',
        'sub' => $viewer,
        'jti' => bin2hex(random_bytes(16)),
        'iat' => $now,
        'exp' => $now + 120,
        'tenant' => $tenant,
        'resource' => ['report' => 'q3'],
        'params' => ['organization_id' => $organizationId], // without parameters: new stdClass(), since [] is a list
    ];
    [$key, $algorithm] = signingKey();
    return JWT::encode($claims, $key, $algorithm, (string) getenv('EMBED_KID'));
}

// All three come from your own session, never from the request.
$token = viewerToken('viewer-7', 'acme', 99);
echo "https://bi.example.com/reports/q3?embed_token=$token\n";
