using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;

namespace Distributed.Shared.Tests.Data;

/// <summary>The files of a job's data, and their places after a delivery.</summary>
public sealed class DataPartsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private DataOptions Options => new()
    {
        DataDirectory = _folder["data"],
        SharedDirectory = null,
        SystemDirectory = _folder["system"],
        CacheDirectory = _folder["cache"],
        HttpHandler = new NoNetwork(),
    };

    [Fact]
    public void Embedded_data_has_no_files()
    {
        Assert.Empty(DataParts.Of(new KnownData("digits")));
        Assert.Null(DataParts.Missing(new KnownData("digits"), Options));
    }

    [Fact]
    public void All_files_that_a_job_names_are_parts()
    {
        Assert.Equal(["x", "y", "tx", "ty"], DataParts.Of(new NpyData { Path = "x", Targets = "y", TestPath = "tx", TestTargets = "ty" }));
        Assert.Equal(["i", "l"], DataParts.Of(new IdxData { Path = "i", Labels = "l" }));
        Assert.Equal(["a.csv"], DataParts.Of(new CsvData { Path = "a.csv", TestPath = "a.csv" }));
        Assert.Equal(["fashion-mnist"], DataParts.Of(new KnownData("fashion-mnist")));
    }

    [Fact]
    public void Delivered_parts_are_found()
    {
        var data = new FolderData { Path = "pets", TestPath = "more/../others/" };
        string[] files = ["pets/cat/1.png", "pets/dog/1.png", "pets/dog/sub/2.png", "others/cat/9.png"];
        foreach (var file in files) Write($"data/{file}", file);
        Write("data/pets/.hidden", "");
        Directory.CreateDirectory(_folder["data/more"]);
        var (located, _) = DataParts.Locate(data, Options);
        Assert.Equal(["0/pets/cat/1.png", "0/pets/dog/1.png", "0/pets/dog/sub/2.png", "1/others/cat/9.png"],
            located.Select(file => file.Name).Order(StringComparer.Ordinal));
        foreach (var file in located) Write($"there/{file.Name}", File.ReadAllText(file.Path));

        var delivered = new DataOptions { Delivered = DataParts.In(_folder["there"], data) };
        Assert.Null(DataParts.Missing(data, delivered));
        Assert.Equal("pets/dog/sub/2.png", File.ReadAllText(Path.Combine(delivered.Locate("pets"), "dog/sub/2.png")));
        Assert.Equal("others/cat/9.png", File.ReadAllText(Path.Combine(delivered.Locate(data.TestPath), "cat/9.png")));
    }

    [Theory]
    [InlineData("..")]
    [InlineData("/")]
    [InlineData("a/.")]
    public void A_part_without_a_name_of_its_own_gets_one(string path) =>
        Assert.Equal(Path.Combine("/there", "0", "data"), DataParts.In("/there", new CsvData { Path = path })[path]);

    [Fact]
    public void A_missing_part_is_reported_with_its_path_and_machine()
    {
        Write("data/x.npy", "");
        var data = new NpyData { Path = "x.npy", Targets = "y.npy" };
        var missing = $"'{_folder["data/y.npy"]}' does not exist on {Environment.MachineName}";
        Assert.Equal(missing, DataParts.Missing(data, Options));
        Assert.Equal(missing, Assert.Throws<DataException>(() => DataParts.Locate(data, Options)).Message);
        Assert.StartsWith($"{missing}, and the coordinator cannot send it: nor there. Give a path", Assert.Throws<DataException>(
            () => (Options with { NotDelivered = "nor there." }).Locate("y.npy")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_files_is_refused()
    {
        Write("data/pets/cat/1.png", "");
        Directory.CreateDirectory(_folder["data/pets/dog"]);
        Assert.Equal($"{_folder["data/pets/dog"]} is empty",
            Assert.Throws<DataException>(() => DataParts.Locate(new FolderData { Path = "pets" }, Options)).Message);
    }

    [Fact]
    public void Links_that_go_in_a_circle_are_refused()
    {
        Write("data/pets/1.png", "");
        Directory.CreateSymbolicLink(_folder["data/pets/again"], _folder["data/pets"]);
        Assert.Contains("do links go in a circle?", Assert.Throws<DataException>(
            () => DataParts.Locate(new FolderData { Path = "pets" }, Options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Links_within_the_data_folder_are_followed_and_others_are_refused()
    {
        Write("data/pets/cat/1.png", "");
        Write("data/more/2.png", "");
        Write("elsewhere/3.png", "");
        File.CreateSymbolicLink(_folder["data/pets/cat/within.png"], _folder["data/more/2.png"]);
        Directory.CreateSymbolicLink(_folder["data/pets/dog"], "../more");
        var data = new FolderData { Path = "pets" };
        Assert.Equal(["0/pets/cat/1.png", "0/pets/cat/within.png", "0/pets/dog/2.png"],
            DataParts.Locate(data, Options).Files.Select(file => file.Name).Order(StringComparer.Ordinal));

        foreach (var (link, target) in ((string, string)[])[("cat/out.png", "elsewhere/3.png"),
            ("out", "elsewhere"), ("cat/up.png", "data/pets/cat/../../../elsewhere/3.png")])
        {
            File.CreateSymbolicLink(_folder[$"data/pets/{link}"], _folder[target]);
            Assert.StartsWith($"'{_folder[$"data/pets/{link}"]}' is a link that leads out of the data folder",
                Assert.Throws<DataException>(() => DataParts.Locate(data, Options)).Message, StringComparison.Ordinal);
            Assert.NotEmpty(DataParts.Locate(data, Options with { DeliverFrom = [_folder["elsewhere"]] }).Files);
            File.Delete(_folder[$"data/pets/{link}"]);
        }
    }

    [Fact]
    public void A_part_that_is_a_link_is_not_followed_out_of_the_data_folder()
    {
        Write("data/1.csv", "");
        Write("secret.csv", "");
        File.CreateSymbolicLink(_folder["data/link.csv"], _folder["secret.csv"]);
        Assert.Contains("link.csv' is a link that leads out", Assert.Throws<DataException>(
            () => DataParts.Locate(new CsvData { Path = "link.csv" }, Options)).Message, StringComparison.Ordinal);
        // The user may name a file anywhere, and links above a part are the administrator's.
        Assert.Single(DataParts.Locate(new CsvData { Path = _folder["secret.csv"] }, Options).Files);
        Directory.CreateSymbolicLink(_folder["mount"], _folder["data"]);
        Assert.Single(DataParts.Locate(new CsvData { Path = "1.csv" }, Options with { DataDirectory = _folder["mount"] }).Files);
        Assert.Single(DataParts.Locate(new CsvData { Path = $"{_folder["mount"]}/1.csv" }, Options with { DataDirectory = null }).Files);
    }

    [Fact]
    public void The_opened_file_is_checked_even_if_its_path_has_changed()
    {
        Write("data/1.csv", "data");
        Write("secret.csv", "secret");
        var (files, scope) = DataParts.Locate(new CsvData { Path = "1.csv" }, Options);
        using (var file = scope.Open(files[0].Path)) Assert.Equal(4, file.Length);
        File.Delete(_folder["data/1.csv"]);
        File.CreateSymbolicLink(_folder["data/1.csv"], _folder["secret.csv"]);
        Assert.Throws<DataException>(() => scope.Open(files[0].Path));
    }

    [Fact]
    public void Only_the_own_files_of_a_known_data_set_are_sent()
    {
        var data = new KnownData("fashion-mnist");
        Directory.CreateDirectory(_folder["data"]);
        Assert.StartsWith($"Looked in: {_folder["data"]}, ", DataParts.Missing(data, Options), StringComparison.Ordinal);
        Assert.Contains("the download failed",
            Assert.Throws<DataException>(() => DataParts.Locate(data, Options)).Message, StringComparison.Ordinal);
        foreach (var file in FashionMnistFiles.All) Write($"data/{file.ArchiveName}", file.Name);
        Write("data/secret", "");
        Assert.Null(DataParts.Missing(data, Options));
        Assert.Equal(FashionMnistFiles.All.Select(file => $"0/fashion-mnist/{file.ArchiveName}"),
            DataParts.Locate(data, Options).Files.Select(file => file.Name));
        Assert.Equal(_folder["x"],
            FashionMnistFiles.Find(Options with { Delivered = new Dictionary<string, string> { ["fashion-mnist"] = _folder["x"] } }));
    }

    private void Write(string name, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        File.WriteAllText(_folder[name], content);
    }

    private sealed class NoNetwork : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromException<HttpResponseMessage>(new HttpRequestException("no network"));
    }
}
