from client.generate import generate_modules


def test_models_operations_and_codes_are_those_of_the_document_and_of_the_service() -> None:
    for path, text in generate_modules().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name} is of an older document: `make client`"
        )
