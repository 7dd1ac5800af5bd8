import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.CamerasApi;
import org.openapitools.client.api.CapturesApi;
import org.openapitools.client.api.FacesApi;
import org.openapitools.client.api.LookingApi;
import org.openapitools.client.model.CaptureTaken;
import org.openapitools.client.model.FacesPage;
import org.openapitools.client.model.NewCamera;
import org.openapitools.client.model.NewFace;
import org.openapitools.client.model.PicturesToVerify;

/** The main jobs of v1 by the client that openapi-generator makes for Java. */
public class Jobs {
  public static void main(String[] given) throws Exception {
    ApiClient v1 = new ApiClient();
    v1.updateBaseUri(given[0]);
    v1.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + given[1]));
    String camera = new CamerasApi(v1).addCamera(CamerasApi.APIAddCameraRequest.newBuilder().newCamera(new NewCamera().name("yard")).build()).getId();
    FacesApi faces = new FacesApi(v1);
    List<String> enrolled = new ArrayList<>();
    for (int one : new int[] {0, 2}) {
      NewFace face = new NewFace().picture(file(given[2 + one])).group("stranger").name(one == 0 ? "Ann" : "Ben");
      enrolled.add(
          faces.enrolFace(FacesApi.APIEnrolFaceRequest.newBuilder().newFace(face).build()).getId());
    }
    CaptureTaken taken = new CaptureTaken().picture(file(given[3])).camera(camera);
    String seen = new CapturesApi(v1).takeCapture(CapturesApi.APITakeCaptureRequest.newBuilder().captureTaken(taken).build()).getCamera();
    PicturesToVerify pair = new PicturesToVerify().picture(file(given[3])).face(enrolled.get(0));
    boolean match = new LookingApi(v1).verify(LookingApi.APIVerifyRequest.newBuilder().picturesToVerify(pair).build()).getMatch();
    FacesPage first = faces.listFaces(strangers().build());
    FacesPage next = faces.listFaces(strangers().token(first.getNextToken()).build());
    List<String> pages = List.of(first.getFaces().get(0).getName(), next.getFaces().get(0).getName());
    String code = "";
    try {
      faces.getFace(FacesApi.APIGetFaceRequest.newBuilder().id("7").build());
    } catch (ApiException error) {
      code = new ObjectMapper().readTree(error.getResponseBody()).get("code").asText();
    }
    Map<String, Object> found = Map.of("camera", seen, "match", match, "pages", pages, "code", code);
    System.out.println(new ObjectMapper().writeValueAsString(found));
  }

  private static FacesApi.APIListFacesRequest.Builder strangers() {
    return FacesApi.APIListFacesRequest.newBuilder().group("stranger").limit(1);
  }

  private static String file(String path) throws Exception {
    return Base64.getEncoder().encodeToString(Files.readAllBytes(Path.of(path)));
  }
}
