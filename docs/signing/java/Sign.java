// Signs a viewer token and prints the address of an iframe. The key says which algorithm it is.
//
//   mvn -q dependency:copy-dependencies
//   EMBED_KID=2026-11 EMBED_KEY=2026-11.key java -cp 'target/dependency/*' Sign.java             # ES256
//   EMBED_KID=2026-11 EMBED_SECRET=$(cat secret.txt) java -cp 'target/dependency/*' Sign.java    # HS256

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;
import java.util.Date;
import java.util.Map;
import java.util.UUID;

final class Sign {
    /** A PKCS#8 file, "BEGIN PRIVATE KEY". */
    static ECPrivateKey privateKey(Path file) throws IOException, GeneralSecurityException {
        String base64 = Files.readString(file).replaceAll("-----[A-Z ]+-----", "");
        byte[] der = Base64.getMimeDecoder().decode(base64);
        return (ECPrivateKey) KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
    }

    static String viewerToken(JWSAlgorithm algorithm, JWSSigner signer, String viewer, String tenant, int organizationId)
            throws JOSEException {
        Instant now = Instant.now();
        JWSHeader header = new JWSHeader.Builder(algorithm)
                .type(JOSEObjectType.JWT)
                .keyID(System.getenv("EMBED_KID"))
                .build();
        JWTClaimsSet claims = new JWTClaimsSet.Builder()
                .issuer("https://app.example.com")
                .audience("embedgate")
                .subject(viewer)
                .jwtID(UUID.randomUUID().toString())
                .issueTime(Date.from(now))
                .expirationTime(Date.from(now.plusSeconds(120)))
                .claim("tenant", tenant)
                .claim("resource", Map.of("report", "q3"))
                .claim("params", Map.of("organization_id", organizationId))
                .build();
        SignedJWT token = new SignedJWT(header, claims);
        token.sign(signer);
        return token.serialize();
    }

    public static void main(String[] arguments) throws IOException, GeneralSecurityException, JOSEException {
        String secret = System.getenv("EMBED_SECRET");
        JWSAlgorithm algorithm = secret != null ? JWSAlgorithm.HS256 : JWSAlgorithm.ES256;
        JWSSigner signer = secret != null ? new MACSigner(secret) : new ECDSASigner(privateKey(Path.of(System.getenv("EMBED_KEY"))));
        // The last three come from your own session, never from the request.
        String token = viewerToken(algorithm, signer, "viewer-7", "acme", 99);
        System.out.println("https://bi.example.com/reports/q3?embed_token=" + token);
    }
}
