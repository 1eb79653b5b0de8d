"""The benchmarks: where each is published, its files and checksums, license, citation, and the steps by hand."""

from dataclasses import dataclass

GITHUB = "https://raw.githubusercontent.com"
REDOCRED = f"{GITHUB}/tonytan48/Re-DocRED/ccfb54f5ddf5836027c87badda10f6dfc56efaac/data"
DOCRED = "https://huggingface.co/datasets/thunlp/docred/resolve/7985b4e0371e6c61a756feb41b7b27becf71c666/data"


@dataclass(frozen=True)
class Download:
    """A file that docre downloads.

    url:     its address; the last part is the name of the file in data/<benchmark>/.
    sha256:  its checksum, if it is known for certain.
    members: the files to unpack from it, if it is a zip archive. A .gz file is always unpacked.
    """

    url: str
    sha256: str | None = None
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Source:
    """A benchmark.

    title:     what it is, in one line.
    license, citation: as its authors state them.
    downloads: the files that docre downloads.
    documents: the data files that the configs name, with the number of documents in each.
    manual:    the steps by hand to get what docre cannot download, or everything if the server cannot be reached.
    reader:    the name of the reader for the data files.
    note:      anything else to know; printed at the end.
    """

    title: str
    license: str
    citation: str
    downloads: tuple[Download, ...]
    documents: dict[str, int]
    manual: str
    reader: str = "docred"
    note: str = ""


SOURCES = {
    "redocred": Source(
        title="Re-DocRED: DocRED with the missing relations added",
        license="MIT",
        citation="Tan, Xu, Bing, Ng, Aljunied: Revisiting DocRED - Addressing the False Negative Problem in Relation "
        "Extraction. EMNLP 2022.",
        downloads=(
            Download(
                f"{REDOCRED}/train_revised.json", "c40a137a1c57f3e2daaf5ebf511eaa1518f9305ffaa3052d46271921a91826f2"
            ),
            Download(
                f"{REDOCRED}/dev_revised.json", "051ee1d057204a5d08ef5502beacdadf191245b5eaf0e29ec2c607cf002c016f"
            ),
            Download(
                f"{REDOCRED}/test_revised.json", "ea673b7ef91e16510d7eb88863d3903e47318dc5653ef361266f27ae3b84723c"
            ),
        ),
        documents={"train_revised.json": 3053, "dev_revised.json": 500, "test_revised.json": 500},
        manual="Get train_revised.json, dev_revised.json and test_revised.json from the folder data of\n"
        "    https://github.com/tonytan48/Re-DocRED\n"
        "and put them into {folder}/.",
        note="A later revision, Re2-DocRED (Heng, Tong, Wong, EACL 2026; CC BY-SA 4.0), is in the folder dataset of "
        "https://github.com/klassessg/re2-docred.",
    ),
    "docred": Source(
        title="DocRED: Wikipedia, 96 relations; its test set has no labels",
        license="MIT",
        citation="Yao, Ye, Li, Han, Lin, Liu, Liu, Huang, Zhou, Sun: DocRED: A Large-Scale Document-Level Relation "
        "Extraction Dataset. ACL 2019.",
        downloads=(
            Download(
                f"{DOCRED}/train_annotated.json.gz", "0d01cd07cabd7f9077db6ea8628832cf60281b4228ec1ba54647f836a3b17d02"
            ),
            Download(f"{DOCRED}/dev.json.gz", "6ae4d7f5b0b9d2cbe74b9634ed43b35b7cb5b7c0dc3a16226dbe343139a4ae05"),
            Download(f"{DOCRED}/test.json.gz"),
        ),
        documents={"train_annotated.json": 3053, "dev.json": 998, "test.json": 1000},
        manual="Open https://drive.google.com/drive/folders/1c5-0YwnoJx8NS6CV2f-NoTHR__BdkNqw (linked from\n"
        "https://github.com/thunlp/DocRED/tree/master/data), download train_annotated.json, dev.json and test.json,\n"
        "and put them into {folder}/.",
        note="The training set that was labeled automatically is a benchmark of its own: docre download docred_distant",
    ),
    "docred_distant": Source(
        title="DocRED's training documents that were labeled automatically (distant supervision)",
        license="MIT",
        citation="Yao, Ye, Li, Han, Lin, Liu, Liu, Huang, Zhou, Sun: DocRED: A Large-Scale Document-Level Relation "
        "Extraction Dataset. ACL 2019.",
        downloads=(Download(f"{DOCRED}/train_distant.json.gz"),),
        documents={"train_distant.json": 101873},
        manual="Open https://drive.google.com/drive/folders/1c5-0YwnoJx8NS6CV2f-NoTHR__BdkNqw (linked from\n"
        "https://github.com/thunlp/DocRED/tree/master/data), download train_distant.json, and put it into {folder}/.",
    ),
    "docgnre": Source(
        title="DocGNRE: Re-DocRED with relations that a language model proposed, checked by people in the test set",
        license="none stated by its authors; the documents are DocRED's (MIT)",
        citation="Li, Jia, Zheng: Semi-automatic Data Enhancement for Document-Level Relation Extraction with Distant "
        "Supervision from Large Language Models. EMNLP 2023.",
        downloads=(
            Download(
                "https://bigai-nlco.s3.ap-southeast-1.amazonaws.com/DocGNRE/enhancement_data.zip",
                members=(
                    "re_docred_train_data_enhancement.json",
                    "re_docred_train_data_enhancement_more.json",
                    "re_docred_test_data_enhancement.json",
                    "re_docred_test_data_enhancement_human.json",
                ),
            ),
        ),
        documents={"re_docred_train_data_enhancement.json": 3053, "re_docred_test_data_enhancement.json": 500},
        manual="Follow 'Datasets' in https://github.com/bigai-nlco/DocGNRE, and put\n"
        "re_docred_train_data_enhancement.json and re_docred_test_data_enhancement.json into {folder}/.",
        note="The development set is Re-DocRED's: docre download redocred",
    ),
    "dwie": Source(
        title="DWIE: Deutsche Welle news, 65 relations, in DocRED JSON as converted for LogiRE",
        license="see https://github.com/klimzaporojets/DWIE; the articles are Deutsche Welle's",
        citation="Zaporojets, Deleu, Develder, Demeester: DWIE: An entity-centric dataset for multi-task "
        "document-level information extraction. Information Processing & Management 58(4), 2021. Conversion: Ru et "
        "al.: Learning Logic Rules for Document-Level Relation Extraction. EMNLP 2021.",
        downloads=(),
        documents={"train_annotated.json": 602, "dev.json": 98, "test.json": 99},
        manual="The articles come from Deutsche Welle's own service, and their conversion needs one spaCy model:\n"
        "1. Clone https://github.com/klimzaporojets/DWIE and run its download script, which fills\n"
        "   data/annos_with_content.\n"
        "2. Follow 'Data' in https://github.com/rudongyu/LogiRE: its preprocessing archive has read_docred_style.py\n"
        "   and the spaCy model en_core_web_sm-2.3.1, and writes data/docred-style.\n"
        "3. Put train_annotated.json, dev.json and test.json from there into {folder}/.",
    ),
    "cdr": Source(
        title="CDR: chemical-induced diseases in PubMed abstracts, prepared as for EoG and ATLOP",
        license="public domain (BioCreative V)",
        citation="Li et al.: BioCreative V CDR task corpus: a resource for chemical disease relation extraction. "
        "Database 2016. Format: Christopoulou, Miwa, Ananiadou: Connecting the Dots. EMNLP 2019.",
        downloads=(
            Download(
                "https://biocreative.bioinformatics.udel.edu/media/store/files/2016/CDR_Data.zip",
                members=(
                    "CDR_TrainingSet.PubTator.txt",
                    "CDR_DevelopmentSet.PubTator.txt",
                    "CDR_TestSet.PubTator.txt",
                ),
            ),
        ),
        documents={"train_filter.data": 500, "dev_filter.data": 500, "test_filter.data": 500},
        manual="The published split of sentences, tokens and candidate pairs is made by the scripts of EoG:\n"
        "1. Clone https://github.com/fenchri/edge-oriented-graph and follow 'Datasets & Pre-processing' there: it\n"
        "   takes CDR_Data.zip (of BioCreative V, https://biocreative.bioinformatics.udel.edu), the GENIA sentence\n"
        "   splitter and tagger, and process_cdr.sh.\n"
        "2. Put train_filter.data, dev_filter.data and test_filter.data from data/CDR/processed into {folder}/.",
        reader="cdr",
        note="CDR_Data.zip has the abstracts in PubTator format too, which docre reads as they are: "
        "data.reader=pubtator. Tokens, sentences and candidate pairs then are not those of published numbers.",
    ),
    "gda": Source(
        title="GDA: gene-disease associations in PubMed abstracts, prepared as for EoG and ATLOP",
        license="see its source",
        citation="Wu, Luo, Leung, Ting, Lam: RENET: A Deep Learning Approach for Extracting Gene-Disease Associations "
        "from Literature. RECOMB 2019. Format: Christopoulou, Miwa, Ananiadou: Connecting the Dots. EMNLP 2019.",
        downloads=(),
        documents={"train.data": 23353, "dev.data": 5839, "test.data": 1000},
        manual="1. Clone https://github.com/fenchri/edge-oriented-graph and follow 'Datasets & Pre-processing' there:\n"
        "   it takes https://bitbucket.org/alexwuhkucs/gda-extraction/get/fd4a7409365e.zip, the GENIA sentence\n"
        "   splitter and tagger, and process_gda.sh.\n"
        "2. Put train.data, dev.data and test.data from data/GDA/processed into {folder}/.",
        reader="gda",
    ),
    "biored": Source(
        title="BioRED: 600 PubMed abstracts, 8 relations between genes, diseases, chemicals and variants",
        license="public domain (NCBI)",
        citation="Luo, Lai, Wei, Arighi, Lu: BioRED: a rich biomedical relation extraction dataset. Briefings in "
        "Bioinformatics 23(5), 2022.",
        downloads=(
            Download(
                "https://ftp.ncbi.nlm.nih.gov/pub/lu/BioRED/BIORED.zip",
                members=("Train.BioC.JSON", "Dev.BioC.JSON", "Test.BioC.JSON"),
            ),
        ),
        documents={"Train.BioC.JSON": 400, "Dev.BioC.JSON": 100, "Test.BioC.JSON": 100},
        manual="Get BIORED.zip from https://ftp.ncbi.nlm.nih.gov/pub/lu/BioRED/, and put Train.BioC.JSON,\n"
        "Dev.BioC.JSON and Test.BioC.JSON from it into {folder}/.",
        reader="bioc_json",
        note="Its relations have no direction; the reader takes the first entity as the head.",
    ),
}
