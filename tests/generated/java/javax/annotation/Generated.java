package javax.annotation;

/** As in jakarta.annotation-api, which no registry of this project has. */
public @interface Generated {
  String[] value();

  String comments() default "";
}
