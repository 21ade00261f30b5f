// Signs a viewer token and prints the address of an iframe. The key says which algorithm it is.
//
//   EMBED_KID=2026-11 EMBED_KEY=2026-11.key dotnet run             # ES256
//   EMBED_KID=2026-11 EMBED_SECRET=$(cat secret.txt) dotnet run    # HS256

using System;
using System.Collections.Generic;
using System.IO;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

internal static class Sign
{
    /// <summary>The key, and the only algorithm it is for.</summary>
    private static SigningCredentials Credentials()
    {
        string kid = Environment.GetEnvironmentVariable("EMBED_KID");
        string secret = Environment.GetEnvironmentVariable("EMBED_SECRET");
        if (secret != null)
        {
            SymmetricSecurityKey shared = new SymmetricSecurityKey(Encoding.UTF8.GetBytes(secret)) { KeyId = kid };
            return new SigningCredentials(shared, SecurityAlgorithms.HmacSha256);
        }
        ECDsa ecdsa = ECDsa.Create();
        ecdsa.ImportFromPem(File.ReadAllText(Environment.GetEnvironmentVariable("EMBED_KEY")));
        return new SigningCredentials(new ECDsaSecurityKey(ecdsa) { KeyId = kid }, SecurityAlgorithms.EcdsaSha256);
    }

    private static string ViewerToken(SigningCredentials credentials, string viewer, string tenant, int organizationId)
    {
        DateTime now = DateTime.UtcNow;
        SecurityTokenDescriptor token = new SecurityTokenDescriptor
        {
            Issuer = "https://app.example.com",
            Audience = "embedgate", // not Audiences, which is written as a list
            IssuedAt = now,
            NotBefore = now,
            Expires = now.AddMinutes(2),
            Claims = new Dictionary<string, object>
            {
                ["sub"] = viewer,
                ["jti"] = Convert.ToHexString(RandomNumberGenerator.GetBytes(16)),
                ["tenant"] = tenant,
                ["resource"] = new Dictionary<string, object> { ["report"] = "q3" },
                ["params"] = new Dictionary<string, object> { ["organization_id"] = organizationId },
            },
            SigningCredentials = credentials,
        };
        return new JsonWebTokenHandler().CreateToken(token);
    }

    private static void Main()
    {
        // The last three come from your own session, never from the request.
        string token = ViewerToken(Credentials(), "viewer-7", "acme", 99);
        Console.WriteLine($"https://bi.example.com/reports/q3?embed_token={token}");
    }
}
