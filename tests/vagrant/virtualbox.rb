# Prints what Vagrant makes of the Vagrantfile in this folder for VirtualBox: one JSON document.
require "json"
require "vagrant"

environment = Vagrant::Environment.new
file = environment.vagrantfile
machines = file.machine_names.map do |name|
  config = file.machine_config(name, :virtualbox, nil, nil, false)[:config]
  virtualbox = config.vm.get_provider_config(:virtualbox)
  networks = config.vm.networks.reject { |_, options| options[:id] == "ssh" }
  {
    name: virtualbox.name,
    settings: virtualbox.customizations.map { |_, command| command.drop(2).join(" ") },
    networks: networks.map { |kind, options| [kind, options.slice(:ip, :netmask, :type)] },
    provisioners: config.vm.provisioners.map { |provisioner| [provisioner.name, provisioner.config.args.drop(1)] },
    insert_key: config.ssh.insert_key,
    synced_folders: config.vm.synced_folders.reject { |_, options| options[:disabled] }.keys
  }
end
puts JSON.pretty_generate(machines)
