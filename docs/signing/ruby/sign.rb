# frozen_string_literal: true

# Signs a viewer token and prints the address of an iframe. The key says which algorithm it is.
#
#   gem install jwt
#   EMBED_KID=2026-11 EMBED_KEY=2026-11.key ruby sign.rb             # ES256
#   EMBED_KID=2026-11 EMBED_SECRET=$(cat secret.txt) ruby sign.rb    # HS256

require "jwt"
require "openssl"
require "securerandom"

KID = ENV.fetch("EMBED_KID")
KEY, ALGORITHM = if ENV.key?("EMBED_SECRET")
                   [ENV.fetch("EMBED_SECRET"), "HS256"]
                 else
                   [OpenSSL::PKey.read(File.read(ENV.fetch("EMBED_KEY"))), "ES256"]
                 end

def viewer_token(viewer, tenant, organization_id)
  now = Time.now.to_i
  claims = {
    iss: "https://app.example.com",
    aud: "embedgate",
    sub: viewer,
    jti: SecureRandom.uuid,
    iat: now,
    exp: now + 120,
    tenant: tenant,
    resource: { report: "q3" },
    params: { organization_id: organization_id }
  }
  JWT.encode(claims, KEY, ALGORITHM, { kid: KID, typ: "JWT" })
end

# All three come from your own session, never from the request.
token = viewer_token("viewer-7", "acme", 99)
puts "https://bi.example.com/reports/q3?embed_token=#{token}"
